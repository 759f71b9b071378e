"""The entries of params.yaml: what is retrained, resolved to cells."""

from collections.abc import Mapping

from eoinas import formats, genotype, params
from eoinas.errors import InputError

SEARCHED = ("eoinas", "baseline", "sss", "random")
GIVEN = "data/genotypes/"  # the folder that the stage `entries` depends on


def resolve(where: str, entry: params.Entry | params.Transfer, searched: Mapping[str, str]) -> dict:
    """An entry with its cell: ``genotype`` as params.yaml names it, ``cutout`` (0 where the data set knows none), and ``cell``.

    Args:
        where: the entry's key in params.yaml, for the message.
        searched: names of searched cells and the files that hold them.

    Raises:
        InputError: the genotype is neither a searched one nor a valid genotype JSON.
    """
    named = searched.get(entry.genotype, entry.genotype)
    if entry.genotype not in searched and (not named.startswith(GIVEN) or ".." in named):
        raise InputError(f"{params.FILE}: {where}.genotype: one of {', '.join(searched)}, or {GIVEN}NAME.json, not '{named}'")
    return {"genotype": entry.genotype, "cutout": getattr(entry, "cutout", 0), "cell": genotype.plain(genotype.load(named))}


def load(path: str) -> tuple[genotype.Genotype, int]:
    """The cell and the cutout of a resolved entry.

    Raises:
        InputError: the file is missing or is no resolved entry.
    """
    value = formats.read_json(path)
    if not isinstance(value, dict) or not {"cell", "cutout"} <= value.keys() or type(value["cutout"]) is not int:
        raise InputError(f"{path}: no resolved entry; run the stage `entries` again")
    return genotype.parse(value["cell"], path), value["cutout"]
