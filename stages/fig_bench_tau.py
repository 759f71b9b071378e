"""A figure of NAS-Bench-201, see eoinas/report/fig_bench_tau.py. Usage: python -m stages.fig_bench_tau SCALE"""

from eoinas import command
from eoinas.report.fig_bench_tau import fig_bench_tau


def main(scale: str) -> None:
    fig_bench_tau(scale, f"reports/{scale}/fig_bench_tau.png")


if __name__ == "__main__":
    command.run(main)
