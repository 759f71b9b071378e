"""Figs. 7 and 8: convergence of the search, and its numbers. Usage: python -m stages.fig_7_8 SCALE"""

from eoinas import command
from eoinas.report.fig_7_8 import fig_7_8


def main(scale: str) -> None:
    fig_7_8(scale, f"reports/{scale}/fig_7_8.png")


if __name__ == "__main__":
    command.run(main)
