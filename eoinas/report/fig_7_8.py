"""Figs. 7 and 8: how train accuracy and loss of the search converge with and without SSS, and with and without OII."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import files
from eoinas import plan as plans
from eoinas.report import load, plot
from eoinas.report.scale import announce

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEASURES = {"train_accuracy": "train accuracy", "train_loss": "train loss"}
INSIDE = 3  # lines of a panel that leave room for a legend and a band each


def fig_7_8(scale: str, path: Path | str) -> None:
    """Draw the panels to ``path`` and write their numbers, one row an epoch and variant, to a CSV of the same name.

    Lines are means over the search seeds, bands one sample standard deviation, dotted lines epochs after which operations died.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    curves = load.histories(scale, list(plan.variants))
    prunes = {variant: load.prune_epochs(scale, variant, plan.seeds[0]) for variant in plan.variants}
    numbers = summary(curves)
    files.write_text(Path(path).with_suffix(".csv"), numbers.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
    _draw(scale, path, plan, numbers, prunes)


def columns(plan: plans.Plan) -> dict[str, list[str]]:
    """The variants that each column of panels holds against each other, by its title; a variant may be in both or in none."""
    found = {
        "Fig. 7: with and without SSS": [name for name, v in plan.variants.items() if v.indicator == "beta" or not v.slimming],
        "Fig. 8: with and without OII": [name for name, v in plan.variants.items() if v.slimming],
    }
    return {title: names for title, names in found.items() if names}


def summary(curves: "pd.DataFrame") -> "pd.DataFrame":
    """Mean and sample standard deviation over the seeds: columns epoch, variant, then a ``_mean`` and ``_sd`` of each measure."""
    grouped = curves.groupby(["epoch", "variant"], sort=True)[list(MEASURES)].agg(["mean", "std"])
    grouped.columns = [f"{measure}_{'sd' if kind == 'std' else kind}" for measure, kind in grouped.columns]
    return grouped.reset_index()


def _draw(scale: str, path: Path | str, plan: plans.Plan, numbers: "pd.DataFrame", prunes: dict[str, list[int]]) -> None:
    plot.style()
    from matplotlib.figure import Figure

    shown, n = columns(plan), len(plan.seeds)
    crowded = max(map(len, shown.values())) > INSIDE
    figure = Figure(figsize=(6 * len(shown), 8), layout="constrained")
    panels = figure.subplots(len(MEASURES), len(shown), sharex=True, sharey="row", squeeze=False)
    for column, (title, variants) in enumerate(shown.items()):
        for row, measure in enumerate(MEASURES):
            ended = sorted({epoch for variant in variants for epoch in prunes[variant]})
            panel(panels[row, column], plan, numbers, measure, variants, ended, legend=not crowded)
        panels[0, column].set_title(title)
    if crowded:
        _legend(figure, plan, panels[0])
    band = "one seed, no band" if n == 1 else "band: one standard deviation"
    rest = f"more than {INSIDE} lines: no bands\n" if crowded and n > 1 else ""
    figure.suptitle(
        f"Convergence of the search on the training half ({announce(scale)})\n"
        f"mean over {n} search seed{'s' * (n > 1)}, {band}; {rest}dotted: epochs after which operations were pruned",
        fontsize=13,
    )
    plot.save(figure, path)


def _legend(figure: "Figure", plan: plans.Plan, panels: "Sequence[Axes]") -> None:
    """One for all panels, below them, in the order of the plan."""
    lines = {line.get_label(): line for axes in panels for line in axes.get_lines()}
    shown = [variant.label for variant in plan.variants.values() if variant.label in lines]
    handles = [lines[label] for label in shown]
    figure.legend(handles, shown, loc="outside lower center", ncols=min(4, len(shown)), frameon=False)


def panel(
    axes: "Axes",
    plan: plans.Plan,
    numbers: "pd.DataFrame",
    measure: str,
    variants: Sequence[str],
    ended: Sequence[int],
    legend: bool = True,
) -> None:
    """One measure by epoch, from ``summary``: a line and its band a variant; dotted lines at the epochs ``ended``.

    More lines than INSIDE have no bands.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    for epoch in ended:
        axes.axvline(epoch, color="0.45", linestyle=":", linewidth=1.2, zorder=1)
    for variant in variants:
        found, colour = numbers[numbers["variant"] == variant], plot.colour(plan, variant)
        mean, sd = found[f"{measure}_mean"], found[f"{measure}_sd"]
        axes.plot(found["epoch"], mean, color=colour, linestyle=plot.dashes(plan, variant), label=plan.variants[variant].label)
        if len(variants) <= INSIDE:
            axes.fill_between(found["epoch"], mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
    if legend:
        axes.legend(loc="lower right" if measure == "train_accuracy" else "upper right")
    axes.set(xlabel="epoch", ylabel=MEASURES[measure])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if measure == "train_accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
