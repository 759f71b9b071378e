"""A figure of NAS-Bench-201, see eoinas/report/fig_bench_sensitivity.py. Usage: python -m stages.fig_bench_sensitivity SCALE"""

from eoinas import command
from eoinas.report.fig_bench_sensitivity import fig_bench_sensitivity


def main(scale: str) -> None:
    fig_bench_sensitivity(scale, f"reports/{scale}/fig_bench_sensitivity.png")


if __name__ == "__main__":
    command.run(main)
