"""What the plotted figures share: one look, names and colours of the variants and operations, and reproducible PNG files."""

from pathlib import Path
from typing import TYPE_CHECKING

from eoinas import files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VARIANTS = {"baseline": "without SSS, without OII", "sss": "with SSS, without OII", "eoinas": "with SSS, with OII (EoiNAS)"}
VARIANT_COLOURS = {"baseline": "#7f7f7f", "sss": "#d9822b", "eoinas": "#1f6fb4"}
# In the order of genotype.OPERATIONS; one hue a kind of operation, the larger kernel or max pooling darker.
OPERATION_COLOURS = ("#2ca25f", "#636363", "#74a9cf", "#fdae6b", "#045a8d", "#d94801", "#c994c7", "#980043")
DPI = 150
FONT = {"font.size": 12, "axes.titlesize": 12, "axes.labelsize": 11, "xtick.labelsize": 11, "ytick.labelsize": 11}
LOOK = {**FONT, "legend.fontsize": 11, "legend.frameon": True, "axes.linewidth": 1.25, "grid.alpha": 0.5}


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
