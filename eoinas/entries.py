"""The entries of params.yaml: what is retrained, resolved to cells."""

from eoinas import files, genotype, params
from eoinas.errors import InputError

SEARCHED = ("eoinas", "baseline", "sss", "random")
GIVEN = "data/genotypes/"  # the folder that the stage `entries` depends on


def resolve(scale: str, where: str, entry: params.Entry) -> dict:
    """An entry with its cell: ``genotype`` as params.yaml names it, ``cutout``, and ``cell``.

    Raises:
        InputError: the genotype is neither a searched one nor a valid genotype JSON.
    """
    named = f"results/{scale}/genotypes/{entry.genotype}.json" if entry.genotype in SEARCHED else entry.genotype
    if entry.genotype not in SEARCHED and (not named.startswith(GIVEN) or ".." in named):
        raise InputError(f"{params.FILE}: {where}.genotype: one of {', '.join(SEARCHED)}, or {GIVEN}NAME.json, not '{named}'")
    return {"genotype": entry.genotype, "cutout": entry.cutout, "cell": genotype.plain(genotype.load(named))}


def load(path: str) -> tuple[genotype.Genotype, int]:
    """The cell and the cutout of a resolved entry.

    Raises:
        InputError: the file is missing or is no resolved entry.
    """
    value = files.read_json(path)
    if not isinstance(value, dict) or not {"cell", "cutout"} <= value.keys():
        raise InputError(f"{path}: no resolved entry; run the stage `entries` again")
    return genotype.parse(value["cell"], path), value["cutout"]
