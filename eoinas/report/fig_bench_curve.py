"""What the cell is worth that a search on NAS-Bench-201 stands for after each epoch: the anytime curve."""

from pathlib import Path

import numpy as np

from eoinas import bench, files
from eoinas.data import nasbench201
from eoinas.metrics import strength
from eoinas.report import bench_read, plot, table
from eoinas.report.scale import announce

SHOWN = ("gdas", "baseline", "sss", "eoinas", "percent")  # of those that there are; where none is, the first variants
LINES = 4
COLOURS = {"eoinas": "#1f6fb4", "percent": "#c20a29"}  # as I in the figure of tau


def fig_bench_curve(scale: str, path: Path | str) -> None:
    """Draw a line a variant, the mean over its searches, with a 95 % interval; its numbers go to a CSV of the same name.

    Raises:
        InputError: a result is missing.
    """
    plan = bench.load(scale)
    frame = bench_read.cells(scale)
    frame = frame[frame["epoch"] != bench.FINAL]
    plot.style()
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots()
    shown = [name for name in SHOWN if name in plan.variants] or list(plan.variants)[:LINES]
    records = []
    for name, colour in zip(shown, plot.COLOURS, strict=False):
        by_epoch = frame[frame["variant"] == name].groupby("epoch")[nasbench201.TEST]
        means = {epoch: strength.over_searches(values.to_numpy()) for epoch, values in by_epoch}
        epochs, n = list(means), len(plan.variants[name].searches)
        over = {"linestyle": "--", "zorder": 3} if name == plan.masked else {}
        label = f"{plan.variants[name].label} (n {n})"
        colour = COLOURS.get(name, colour)
        axes.plot(epochs, [mean.value for mean in means.values()], color=colour, label=label, **over)
        low, high = np.array([(mean.low, mean.high) for mean in means.values()], np.float64).T  # None becomes NaN
        axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
        records += [
            {"variant": name, "epoch": epoch, **bench_read.fields(mean, "accuracy"), "n": n} for epoch, mean in means.items()
        ]
    truth = nasbench201.load(plan.table, plan.sha256)
    for draws, words in ((1, "a random cell, mean"), (4, "best of 4 random cells, mean")):
        level = bench_read.random_cell(truth, draws, nasbench201.TEST)[0]
        axes.axhline(level, color=plot.RANDOM, linestyle="--" if draws == 1 else ":", linewidth=1.5, label=words)
    median = float(np.median(truth.columns[nasbench201.TEST]))
    axes.axhline(median, color=plot.RANDOM, linestyle="-.", linewidth=1.5, label="a random cell, median")
    axes.set(xlabel="epoch of the search, from the first step of the chain on", ylabel="test accuracy of the cell on CIFAR-10, %")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=10)
    band = "; band: its 95 % interval" if any(len(plan.variants[name].searches) >= strength.FEWEST for name in shown) else ""
    figure.suptitle(
        f"NAS-Bench-201, searched on {plan.images}\n"
        f"the cell that a search would end in after each epoch; {announce(scale)}\nmean over searches{band}",
        fontsize=12,
    )
    files.write_text(Path(path).with_suffix(".csv"), table.csv_text(records))
    plot.save(figure, path)
