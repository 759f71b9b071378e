"""Figs. 5 and 9: the selected cells, drawn. Usage: python -m stages.fig_5_9 SCALE"""

from eoinas import command, genotype
from eoinas.report import cells
from eoinas.report import scale as scales

ROWS = {
    "eoinas": "EoiNAS (Fig. 5)",
    "baseline": "baseline (Fig. 9)",
    "sss": "baseline + SSS (Fig. 9)",
    "random": "best random cell",
}


def main(scale: str) -> None:
    found = {title: genotype.load(f"results/{scale}/genotypes/{name}.json") for name, title in ROWS.items()}
    suffix = "" if scales.is_paper(scale) else f" - {scale} scale, not a paper result"
    cells.draw_many({title + suffix: cell for title, cell in found.items()}, f"reports/{scale}/fig_5_9.png")


if __name__ == "__main__":
    command.run(main)
