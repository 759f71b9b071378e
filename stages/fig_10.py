"""Fig. 10: the cells found on street scenes. Usage: python -m stages.fig_10 SCALE"""

from eoinas import command
from eoinas.report.fig_10 import fig_10


def main(scale: str) -> None:
    fig_10(scale, f"reports/{scale}/fig_10.png")


if __name__ == "__main__":
    command.run(main)
