"""How the search on street scenes converged. Usage: python -m stages.fig_seg_search SCALE"""

from eoinas import command
from eoinas.report.fig_seg_search import fig_seg_search


def main(scale: str) -> None:
    fig_seg_search(scale, f"reports/{scale}/fig_seg_search.png")


if __name__ == "__main__":
    command.run(main)
