"""Test errors of all training runs by network. Usage: python -m stages.fig_retrain SCALE"""

from eoinas import command
from eoinas.report.fig_retrain import fig_retrain


def main(scale: str) -> None:
    fig_retrain(scale, f"reports/{scale}/fig_retrain.png")


if __name__ == "__main__":
    command.run(main)
