"""How the search on street scenes converged."""

from pathlib import Path

from eoinas import plan as plans
from eoinas.report import load_transfer, plot
from eoinas.report.fig_7_8 import MEASURES, panel, summary
from eoinas.report.scale import announce


def fig_seg_search(scale: str, path: Path | str) -> None:
    """Draw train accuracy and loss by epoch; dotted lines are epochs after which operations were pruned.

    Raises:
        InputError: a result is missing.
    """
    plot.style()
    from matplotlib.figure import Figure

    plan = plans.load(scale)
    numbers = summary(load_transfer.seg_history(scale).assign(variant=plan.seg_variant))
    ended = load_transfer.seg_prune_epochs(scale)
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    for axes, measure in zip(figure.subplots(1, len(MEASURES)), MEASURES, strict=True):
        panel(axes, plan, numbers, measure, (plan.seg_variant,), ended)
    figure.suptitle(
        f"Convergence of the search on street scenes ({announce(scale)})\n"
        "accuracy: share of pixels; one search; dotted: epochs after which operations were pruned",
        fontsize=13,
    )
    plot.save(figure, path)
