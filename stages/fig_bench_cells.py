"""A figure of NAS-Bench-201, see eoinas/report/fig_bench_cells.py. Usage: python -m stages.fig_bench_cells SCALE"""

from eoinas import command
from eoinas.report.fig_bench_cells import fig_bench_cells


def main(scale: str) -> None:
    fig_bench_cells(scale, f"reports/{scale}/fig_bench_cells.png")


if __name__ == "__main__":
    command.run(main)
