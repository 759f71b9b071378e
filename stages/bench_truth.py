"""NAS-Bench-201: every cell that a search stood for, looked up. Usage: python -m stages.bench_truth SCALE"""

from eoinas import bench, command, files
from eoinas.metrics import bench_truth
from eoinas.report import table


def main(scale: str) -> None:
    cells, strengths = bench_truth.cells(scale), list(bench_truth.strengths(scale))
    with files.replacing_folder(bench.TRUTH.format(scale=scale)) as folder:
        files.write_text(folder / bench.CELLS, table.csv_text(cells))
        files.write_text(folder / bench.STRENGTHS, table.csv_text(strengths))


if __name__ == "__main__":
    command.run(main)
