"""Fig. 10: the cells found on street scenes. Usage: python -m stages.fig_10 SCALE"""

from eoinas import command, genotype
from eoinas.report import cells
from eoinas.report import scale as scales


def main(scale: str) -> None:
    found = genotype.load(f"results/{scale}/seg_genotype.json")
    suffix = "" if scales.is_paper(scale) else f" - {scale} scale, not a paper result"
    cells.draw(found, f"reports/{scale}/fig_10.png", f"EoiNAS on street scenes (Fig. 10){suffix}")


if __name__ == "__main__":
    command.run(main)
