"""What the plotted figures share: one look, colours of the variants, and reproducible PNG files."""

from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import files
from eoinas import plan as plans

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# By a variant's position in params.yaml. Chosen to lie apart also for eyes without red or green cones, and from RANDOM.
COLOURS = ("#7f7f7f", "#d9822b", "#1f6fb4", "#5c0a0a", "#17b8dc", "#c20a29", "#101040", "#5a6bff", "#f7b6d2", "#0f4f4a")
# Colour is not all that tells lines apart.
DASHES = ("-", (0, (6, 2)), "-", (0, (3, 1.5)), (0, (1.5, 1)), (0, (7, 2, 1.5, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (9, 3)))
RANDOM = "#2ca25f"
GIVEN = "#8856a7"  # a genotype from a file
DPI = 150
FONT = {"font.size": 12, "axes.titlesize": 12, "axes.labelsize": 11, "xtick.labelsize": 11, "ytick.labelsize": 11}
LOOK = {**FONT, "legend.fontsize": 11, "legend.frameon": True, "axes.linewidth": 1.25, "grid.alpha": 0.5}


def colour(plan: plans.Plan, genotype: str) -> str:
    """Of the variant that a cell is from, of random cells, or of given ones."""
    if genotype not in plan.variants:
        return RANDOM if genotype == plans.RANDOM else GIVEN
    return COLOURS[list(plan.variants).index(genotype) % len(COLOURS)]


def dashes(plan: plans.Plan, variant: str) -> str | tuple:
    """The line style of a variant."""
    return DASHES[list(plan.variants).index(variant) % len(DASHES)]


def style() -> None:
    """The look of every figure; call before a figure is made. Seaborn's, by matplotlib's copy: its import takes a second."""
    from matplotlib import style as styles

    styles.use(["seaborn-v0_8-whitegrid", LOOK])


def save(figure: "Figure", path: Path | str) -> None:
    """Write a PNG whose bytes depend on what is drawn only; laid out and drawn once, where savefig does either twice."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(DPI)
    with files.replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(temporary, metadata={"Software": None})
