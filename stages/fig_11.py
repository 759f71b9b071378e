"""Fig. 11: validation scenes, the truth and what the trained networks say. Usage: python -m stages.fig_11 SCALE"""

from eoinas import command
from eoinas.report.fig_11 import fig_11


def main(scale: str) -> None:
    fig_11(scale, f"reports/{scale}/fig_11.png")


if __name__ == "__main__":
    command.run(main)
