"""The cell of the search on street scenes, and what is trained there. Usage: python -m stages.seg_entries SCALE"""

from eoinas import command, entries, files, formats, genotype, params
from eoinas.train import candidates


def main(scale: str) -> None:
    settings = params.load(candidates.DeriveParams, scale, "derive")
    found = f"results/{scale}/seg_genotype.json"
    genotype.save(found, candidates.derive_cell(f"results/{scale}/seg_search/trace.npz", settings.edge_rank))
    with files.replacing_folder(f"results/{scale}/seg_entries") as folder:
        for name, entry in params.top().entries.cityscapes.items():
            resolved = entries.resolve(f"entries.cityscapes.{name}", entry, {"cityscapes": found})
            formats.write_json(folder / f"{name}.json", resolved)


if __name__ == "__main__":
    command.run(main)
