"""The entries of params.yaml: what is trained, resolved to cells."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from eoinas import formats, genotype, params
from eoinas.errors import InputError

GIVEN = "data/genotypes/"  # the folder that the stage `entries` depends on


class Entry(params.Section):
    """A network that is trained.

    ``genotype`` is a variant, ``random``, for street scenes ``cityscapes``, or the path of a genotype; ``cutout`` the side of the
    square that is masked out of every training image, in pixels of a 32-pixel image (0: none; photographs and scenes have none).
    """

    genotype: str
    cutout: Annotated[int, Field(ge=0, le=32)] = 0


class EntriesStage(params.Section):
    """What is trained on images."""

    entries: dict[str, Entry]  # DATASET-NAME
    imagenet: dict[str, Entry]
    searched: list[str]  # variants, and random search


class SegEntriesStage(params.Section):
    """What is trained on street scenes, and how the cell of the search there is read."""

    entries: dict[str, Entry]
    edge_rank: str
    space: str
    operations: list[str]


def resolve(where: str, entry: Entry, searched: Mapping[str, str]) -> dict:
    """An entry with its cell: ``genotype`` as params.yaml names it, ``cutout``, and ``cell``.

    Args:
        where: the entry's key in params.yaml, for the message.
        searched: names of searched cells and the files that hold them.

    Raises:
        InputError: the genotype is neither a searched one nor a valid genotype.
    """
    named = searched.get(entry.genotype, entry.genotype)
    if entry.genotype not in searched and (not named.startswith(GIVEN) or ".." in named):
        raise InputError(f"{params.FILE}: {where}.genotype: one of {', '.join(searched)}, or a file in {GIVEN}, not '{named}'")
    return {"genotype": entry.genotype, "cutout": entry.cutout, "cell": genotype.plain(genotype.load(named))}


def load(path: str) -> tuple[genotype.Genotype, int]:
    """The cell and the cutout of a resolved entry.

    Raises:
        InputError: the file is missing or is no resolved entry.
    """
    value = formats.read_json(path)
    if not isinstance(value, dict) or not {"cell", "cutout"} <= value.keys() or type(value["cutout"]) is not int:
        raise InputError(f"{path}: no resolved entry; run the stage `entries` again")
    return genotype.parse(value["cell"], path), value["cutout"]


def check_data(path: str, folder: str, digest: str) -> None:
    """Raise InputError where the data set in ``folder`` is not the one that a resolved entry was written for."""
    value = formats.read_json(path)
    if not isinstance(value, dict) or value.get("data") != digest:
        raise InputError(f"{path}: written for other images than those in {folder}; run the stage `entries` again")
