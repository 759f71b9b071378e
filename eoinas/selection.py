"""Choice A12: the best of the seeds."""

from collections.abc import Mapping
from pathlib import Path

from eoinas import formats, params
from eoinas.errors import InputError


class SelectStage(params.Section):
    """What the stage does that selects."""

    seeds: list[int]


def select(folders: Mapping[int, str]) -> dict:
    """The seed with the highest validation accuracy; of equals the first.

    Args:
        folders: for each seed the folder with its score.json.

    Returns:
        ``seed``, ``scores`` (accuracy on the alpha half by seed, fractions) and ``by``, how they were measured.

    Raises:
        InputError: a score is missing or is no number.
    """
    found = {seed: formats.read_json(Path(folder) / "score.json") for seed, folder in folders.items()}
    for seed, value in found.items():
        if not isinstance(value, dict) or not isinstance(value.get("accuracy"), float) or "by" not in value:
            raise InputError(f"{folders[seed]}/score.json: no score of a candidate; run its stage again")
    best = max(found, key=lambda seed: found[seed]["accuracy"])
    return {"seed": best, "scores": {str(seed): value["accuracy"] for seed, value in found.items()}, "by": found[best]["by"]}


def selected(path: str) -> int:
    """The seed of a written selection.

    Raises:
        InputError: the file is missing or is no selection.
    """
    value = formats.read_json(path)
    if not isinstance(value, dict) or type(value.get("seed")) is not int:
        raise InputError(f"{path}: no selection; run the stage `select_genotype` again")
    return value["seed"]
