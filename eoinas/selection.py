"""Choice A12 of the best seed, and the entries of params.yaml resolved to cells."""

from collections.abc import Mapping
from pathlib import Path

from eoinas import files, genotype, params
from eoinas.errors import InputError

SEARCHED = ("eoinas", "baseline", "sss", "random")


def select(folders: Mapping[int, str]) -> dict:
    """The seed with the highest validation accuracy; of equals the first.

    Args:
        folders: for each seed the folder with its score.json.

    Returns:
        ``seed``, ``scores`` (accuracy on the alpha half by seed, fractions) and ``by``, how they were measured.

    Raises:
        InputError: a score is missing or is no number.
    """
    found = {seed: files.read_json(Path(folder) / "score.json") for seed, folder in folders.items()}
    for seed, value in found.items():
        if not isinstance(value, dict) or not isinstance(value.get("accuracy"), float) or "by" not in value:
            raise InputError(f"{folders[seed]}/score.json: no score of a candidate; run its stage again")
    best = max(found, key=lambda seed: found[seed]["accuracy"])
    return {"seed": best, "scores": {str(seed): value["accuracy"] for seed, value in found.items()}, "by": found[best]["by"]}


def resolve(scale: str, where: str, entry: params.Entry) -> dict:
    """An entry with its cell: ``genotype`` as params.yaml names it, ``cutout``, and ``cell``.

    Raises:
        InputError: the genotype is neither a searched one nor a valid genotype JSON.
    """
    named = f"results/{scale}/genotypes/{entry.genotype}.json" if entry.genotype in SEARCHED else entry.genotype
    if entry.genotype not in SEARCHED and not named.endswith(".json"):
        raise InputError(f"{params.FILE}: {where}.genotype: one of {', '.join(SEARCHED)}, or a path to a JSON, not '{named}'")
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
