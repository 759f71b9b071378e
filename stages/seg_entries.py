"""The cell of the search on street scenes, and what is trained there. Usage: python -m stages.seg_entries SCALE"""

from eoinas import command, entries, files, formats, params
from eoinas.spaces import registry
from eoinas.train import candidates


def main(scale: str) -> None:
    settings = params.read_settings(entries.SegEntriesStage, scale, "seg_entries")
    found, space = f"results/{scale}/seg_genotype.json", registry.space(settings.space, settings.operations)
    cell = candidates.derive_cell(space, f"results/{scale}/seg_search/trace.npz", settings.edge_rank)
    formats.write_json(found, space.plain(cell))
    with files.replacing_folder(f"results/{scale}/seg_entries") as folder:
        for name, entry in settings.entries.items():
            resolved = entries.resolve(f"cityscapes_entries.{name}", entry, {"cityscapes": found})
            formats.write_json(folder / f"{name}.json", resolved)


if __name__ == "__main__":
    command.run(main)
