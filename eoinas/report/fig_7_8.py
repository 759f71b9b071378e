"""Figs. 7 and 8: how train accuracy and loss of the search converge with and without SSS, and with and without OII."""

from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import files, params
from eoinas.report import load, plot
from eoinas.report.scale import announce

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PAIRS = {"Fig. 7: with and without SSS": ("baseline", "sss"), "Fig. 8: with and without OII": ("sss", "eoinas")}
MEASURES = {"train_accuracy": "train accuracy", "train_loss": "train loss"}


def fig_7_8(scale: str, path: Path | str) -> None:
    """Draw the 2 x 2 panels to ``path`` and write their numbers, one row an epoch and variant, to a CSV of the same name.

    Lines are means over the search seeds, bands one sample standard deviation, dotted lines epochs after which operations died.

    Raises:
        InputError: a result is missing.
    """
    seeds = params.top().seeds
    curves = load.histories(scale, tuple(plot.VARIANTS))
    prunes = {variant: load.prune_epochs(scale, variant, seeds[0]) for variant in plot.VARIANTS}
    numbers = summary(curves)
    files.write_text(Path(path).with_suffix(".csv"), numbers.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    _draw(scale, path, numbers, prunes, len(seeds))


def summary(curves: "pd.DataFrame") -> "pd.DataFrame":
    """Mean and sample standard deviation over the seeds: columns epoch, variant, then a ``_mean`` and ``_sd`` of each measure."""
    grouped = curves.groupby(["epoch", "variant"], sort=True)[list(MEASURES)].agg(["mean", "std"])
    grouped.columns = [f"{measure}_{'sd' if kind == 'std' else kind}" for measure, kind in grouped.columns]
    return grouped.reset_index()


def _draw(scale: str, path: Path | str, numbers: "pd.DataFrame", prunes: dict[str, list[int]], n: int) -> None:
    plot.style()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey="row")
    for column, (title, pair) in enumerate(PAIRS.items()):
        for row, measure in enumerate(MEASURES):
            ended = sorted({epoch for variant in pair for epoch in prunes[variant]})
            panel(panels[row, column], numbers, measure, pair, ended)
        panels[0, column].set_title(title)
    band = "band: one standard deviation" if n > 1 else "one seed, no band"
    figure.suptitle(
        f"Convergence of the search on the training half ({announce(scale)})\n"
        f"mean over {n} search seed{'s' * (n > 1)}, {band}; dotted: epochs after which operations were pruned",
        fontsize=13,
    )
    plot.save(figure, path)


def panel(axes: "Axes", numbers: "pd.DataFrame", measure: str, variants: tuple[str, ...], ended: list[int]) -> None:
    """One measure by epoch, from ``summary``: a line and its band a variant; dotted lines at the epochs ``ended``."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    for epoch in ended:
        axes.axvline(epoch, color="0.45", linestyle=":", linewidth=1.2, zorder=1)
    for variant in variants:
        found, colour = numbers[numbers["variant"] == variant], plot.VARIANT_COLOURS[variant]
        mean, sd = found[f"{measure}_mean"], found[f"{measure}_sd"]
        axes.plot(found["epoch"], mean, color=colour, label=plot.VARIANTS[variant])
        axes.fill_between(found["epoch"], mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
    axes.legend(loc="lower right" if measure == "train_accuracy" else "upper right")
    axes.set(xlabel="epoch", ylabel=MEASURES[measure])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if measure == "train_accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
