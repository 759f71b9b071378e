"""Figs. 5 and 9: the selected cells, drawn. Usage: python -m stages.fig_5_9 SCALE"""

from eoinas import command
from eoinas.report.fig_5_9 import fig_5_9


def main(scale: str) -> None:
    fig_5_9(scale, f"reports/{scale}/fig_5_9.png")


if __name__ == "__main__":
    command.run(main)
