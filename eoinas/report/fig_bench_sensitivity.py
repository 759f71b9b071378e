"""What lambda and epsilon do on NAS-Bench-201: the paper sets the one and chose the other by a grid search (Sec. IV-B 2)."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eoinas import bench, files
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report import bench_questions, bench_read, plot, table
from eoinas.report.scale import opening

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What a column turns: keys of a search that no other variant of that column differs in, and the words of its axis.
TURNED = {
    "lambda": (("lambda",), "lambda of eq. (10)"),
    "epsilon_1": (("epsilon_1", "epsilon_2"), "epsilon 1 of the rule for Q; epsilon 2 is half of it"),
}
RANKED = {"I": ("I, eq. (10)", "#1f6fb4"), "l": ("P(Live) of the chain, eq. (11)", "#101040")}
APART = 0.12  # of the two quantities, in steps of the axis
COLUMNS = ("parameter", "value", "variant", "n", "measure", "mean", "low", "high")


def fig_bench_sensitivity(scale: str, path: Path | str) -> None:
    """Draw accuracy of the cells and tau at the prunes by lambda and by epsilon; numbers to a CSV of that name.

    Raises:
        InputError: a result is missing.
    """
    plan = bench.load(scale)
    cells, strengths = bench_read.cells(scale), bench_read.strengths(scale)
    plot.style()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels, records = figure.subplots(2, len(TURNED), sharey="row", squeeze=False), []
    for column, (key, (_, words)) in enumerate(TURNED.items()):
        panels[1, column].set_xlabel(words)
        if not (values := family(plan, key)):
            panels[0, column].set_title(f"no search of {bench_questions.DEFAULT} at this scale")
            continue
        accuracy = [bench_read.final(cells, name)[nasbench201.TEST].to_numpy() for name in values.values()]
        records += _records(key, values, "accuracy", accuracy)
        _points(panels[0, column], accuracy, "0.25", 0.0, "mean of the searches")
        for shift, (quantity, (label, colour)) in zip((-APART, APART), RANKED.items(), strict=True):
            taus = [bench_questions.by_seed(strengths, name, quantity).to_numpy() for name in values.values()]
            records += _records(key, values, f"tau of {quantity}", taus)
            _points(panels[1, column], taus, colour, shift, label)
        own = list(values.values()).index(bench_questions.DEFAULT)
        for axes in panels[:, column]:
            axes.axvline(own, color="0.75", linewidth=9, alpha=0.5, zorder=0)
            axes.set_xticks(
                range(len(values)), [f"{value:g}\nn {len(found)}" for value, found in zip(values, accuracy, strict=True)]
            )
            axes.set_xlim(-0.5, len(values) - 0.5)
        panels[1, column].axhline(0, color="0.3", linewidth=1)
    panels[0, 0].set_ylabel("CIFAR-10 test accuracy\nof the cells found, %")
    panels[1, 0].set_ylabel("Kendall's tau with true strength,\nbefore each prune")
    if panels[1, 0].get_legend_handles_labels()[0]:
        figure.legend(*panels[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(
        f"NAS-Bench-201, searched on {plan.images}: lambda and epsilon, A as a fraction\n{opening(scale)}\n"
        "dot: a search; diamond and bar: mean and 95 % interval over searches; grey: the paper's value",
        fontsize=12,
    )
    files.write_text(Path(path).with_suffix(".csv"), table.csv_text(records, COLUMNS))
    plot.save(figure, path)


def family(plan: bench.Plan, key: str) -> dict[float, str]:
    """The variants that differ from the method in ``key`` and in proportion in what goes with it, by its value; it among them."""
    if bench_questions.DEFAULT not in plan.variants:
        return {}
    together, method = TURNED[key][0], plan.variants[bench_questions.DEFAULT].search

    def alike(search: dict) -> bool:
        rest = all(search[name] == value for name, value in method.items() if name not in together)
        return rest and all(math.isclose(search[name] * method[key], method[name] * search[key]) for name in together)

    found = {variant.search[key]: name for name, variant in plan.variants.items() if alike(variant.search)}
    return dict(sorted({**found, method[key]: bench_questions.DEFAULT}.items()))


def _points(axes: "Axes", samples: list[np.ndarray], colour: str, shift: float, label: str) -> None:
    for place, values in enumerate(samples):
        mean, x = strength.over_searches(values), place + shift
        axes.scatter(np.full(len(values), x), values, s=16, color=colour, alpha=0.35, linewidth=0)
        if mean.low is not None and mean.high is not None:
            axes.plot([x, x], [mean.low, mean.high], color=colour, linewidth=2)
        axes.scatter([x], [mean.value], marker="D", s=44, color=colour, zorder=4, label=label if place == 0 else None)


def _records(key: str, values: dict[float, str], measure: str, samples: list[np.ndarray]) -> Iterator[dict]:
    for (value, name), sample in zip(values.items(), samples, strict=True):
        about = {"parameter": key, "value": f"{value:g}", "variant": name, "n": len(sample), "measure": measure}
        yield {**about, **bench_read.fields(strength.over_searches(sample))}
