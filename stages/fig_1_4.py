"""Figs. 1 and 4: what the searches knew about an edge against stand-alone accuracy. Usage: python -m stages.fig_1_4 SCALE"""

from eoinas import command, formats
from eoinas.report.fig_1_4 import fig_1_4


def main(scale: str) -> None:
    metrics = fig_1_4(scale, f"reports/{scale}/fig_1_4.png")
    formats.write_json(f"reports/{scale}/fig_1_4.json", metrics)


if __name__ == "__main__":
    command.run(main)
