"""The best of the seeds' cells, by validation accuracy. Usage: python -m stages.select_genotype SCALE VARIANT"""

from eoinas import command, formats, params, selection


def main(scale: str, variant: str) -> None:
    settings = params.read_settings(selection.SelectStage, scale, "select")
    chosen = selection.select({seed: f"results/{scale}/derive/{variant}/{seed}" for seed in settings.seeds})
    cell = formats.read_json(f"results/{scale}/derive/{variant}/{chosen['seed']}/genotype.json")
    formats.write_json(f"results/{scale}/genotypes/{variant}.json", cell)
    formats.write_json(f"results/{scale}/selection/{variant}.json", chosen)


if __name__ == "__main__":
    command.run(main)
