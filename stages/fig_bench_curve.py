"""A figure of NAS-Bench-201, see eoinas/report/fig_bench_curve.py. Usage: python -m stages.fig_bench_curve SCALE"""

from eoinas import command
from eoinas.report.fig_bench_curve import fig_bench_curve


def main(scale: str) -> None:
    fig_bench_curve(scale, f"reports/{scale}/fig_bench_curve.png")


if __name__ == "__main__":
    command.run(main)
