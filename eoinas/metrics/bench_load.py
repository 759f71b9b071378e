"""What the searches on NAS-Bench-201 left, held against the benchmark's accuracies.

Shapes: T steps of the chain, E edges (6), O operations (5).
"""

from typing import NamedTuple

import numpy as np
import torch

from eoinas import bench, formats
from eoinas.data import nasbench201
from eoinas.errors import InputError
from eoinas.nas import importance, markov
from eoinas.spaces.nasbench201 import NasBench201


class Found(NamedTuple):
    """A search: the cell that it stood for after each step of the chain, and in the end."""

    epochs: list[int]  # [T]
    cells: list[tuple[str, ...]]  # [T]
    final: tuple[str, ...]
    prunes: list[int]  # epochs after which it pruned
    quantities: dict[str, np.ndarray]  # of ``bench.QUANTITIES``, [T, E, O] each


def table(plan: bench.Plan) -> nasbench201.Table:
    """The benchmark's accuracies, checked.

    Raises:
        InputError: the file is missing or not what it must be.
    """
    return nasbench201.load(plan.table, plan.sha256)


def found(scale: str, plan: bench.Plan, name: str) -> dict[int, Found]:
    """The searches of a variant by seed.

    Raises:
        InputError: a search is missing or damaged.
    """
    variant = plan.variants[name]
    return {seed: _found(f"{bench.folder(scale, name, item, seed)}/trace.npz", variant) for item, seed in variant.searches}


def _found(path: str, variant: bench.Variant) -> Found:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            trace = {name: arrays[name] for name in arrays.files}
        settings = variant.search
        space = NasBench201(tuple(settings["operations"]))
        zero = settings["zero_may_win"]

        def cell(importance: np.ndarray, alive: np.ndarray) -> tuple[str, ...]:
            return space.derive(torch.from_numpy(importance), torch.from_numpy(alive), zero)

        after = [*trace["alive"][1:], trace["alive_final"]]  # a step's own prune done
        steps = list(zip(trace["I"], after, strict=True))
        final = cell(trace["I_final"], trace["alive_final"])
        cells = [cell(*step) for step in steps]
        return Found(trace["epoch"].tolist(), cells, final, trace["prune_epochs"].tolist(), _quantities(trace, settings))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the search first") from None
    except Exception as error:  # a damaged archive can raise anything at all
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not the trace of a search ({reason}); run the search again") from None


def _quantities(trace: dict[str, np.ndarray], settings: dict) -> dict[str, np.ndarray]:
    """``bench.QUANTITIES`` of the one cell; S as the search itself reads it, I and l of it by eq. (10) and (11).

    Of a search that prunes, l is its own chain's, which its prunes rested on.
    """
    known = {name: trace[name][:, 0].astype(np.float64) for name in ("beta", "A", "E", "S")}
    indicator = known["S"] + settings["lambda"] * known["beta"]
    own = np.where(np.isnan(indicator), np.nan, trace["X"][:, 0, ..., 0])
    return {
        **{name: known[name] for name in ("beta", "A", "S")},
        **{
            "inverse_E": np.divide(1, known["E"], out=np.full_like(known["E"], np.nan), where=known["E"] > 0),
            "I": indicator,
            "l": own if settings["slimming"] else _chain(indicator, settings),
        },
        **_in_percent(known, settings),
    }


def _chain(indicator: np.ndarray, settings: dict) -> np.ndarray:
    """l of eq. (11) by what I of a search without prunes says [T, E, O]."""
    chain = markov.start(indicator.shape[1:], len(settings["sigma_first"]))
    states, previous = [], None
    for step in torch.from_numpy(indicator):
        change = torch.zeros_like(step) if previous is None else (step - previous).nan_to_num(0.0)
        clamp = settings["clamp_transition"]
        chain = markov.advance(chain, change, settings["sigma_first"], settings["epsilon_1"], settings["epsilon_2"], clamp)
        previous = step
        states.append(chain.X[0, ..., 0].masked_fill(step.isnan(), torch.nan).numpy())
    return np.stack(states)


def _in_percent(known: dict[str, np.ndarray], settings: dict) -> dict[str, np.ndarray]:
    """What S and I are with A in percent, of a search that reads A as a fraction and E in epochs; of another, nothing."""
    if (settings["accuracy_unit"], settings["epoch_unit"]) != ("fraction", "epochs"):
        return {}
    percent = _percent(known)
    return {"S_percent": percent, "I_percent": percent + settings["lambda"] * known["beta"]}


def _percent(quantities: dict[str, np.ndarray]) -> np.ndarray:
    """S of eq. (9) with A in percent."""
    alive = torch.from_numpy(~np.isnan(quantities["S"]))
    ratio = importance.accuracy_parameter(
        100 * torch.from_numpy(quantities["A"]), torch.from_numpy(quantities["E"]), alive, "mean"
    )
    return importance.accuracy_weights(ratio, alive, "live").masked_fill(~alive, torch.nan).numpy()


def masked(scale: str, plan: bench.Plan, seed: int) -> tuple[str, ...]:
    """The cell that masking chose on a search's supernet."""
    path = f"results/{scale}/bench_masked/{seed}/cell.json"
    return NasBench201(tuple(plan.operations)).parse(formats.read_json(path), path)
