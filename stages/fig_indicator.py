"""How the indicator and the chain moved in the selected search. Usage: python -m stages.fig_indicator SCALE"""

from eoinas import command
from eoinas.report.fig_indicator import fig_indicator


def main(scale: str) -> None:
    fig_indicator(scale, f"reports/{scale}/fig_indicator.png")


if __name__ == "__main__":
    command.run(main)
