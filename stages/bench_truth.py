"""NAS-Bench-201: every cell that a search stood for, looked up. Usage: python -m stages.bench_truth SCALE"""

import torch

from eoinas import bench, command, files
from eoinas.metrics import bench_truth


def main(scale: str) -> None:
    torch.set_num_threads(1)  # tensors of 30 numbers
    cells, strengths = bench_truth.tables(scale)
    with files.replacing_folder(bench.TRUTH.format(scale=scale)) as folder:
        files.write_text(folder / bench.CELLS, cells.to_csv(index=False, lineterminator="\n"))
        files.write_text(folder / bench.STRENGTHS, strengths.to_csv(index=False, float_format="%.4f", lineterminator="\n"))


if __name__ == "__main__":
    command.run(main)
