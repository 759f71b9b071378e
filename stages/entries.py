"""What is trained on images: every entry of params.yaml with its cell. Usage: python -m stages.entries SCALE"""

from eoinas import command, entries, files, formats, params
from eoinas.data import imageset


def main(scale: str) -> None:
    settings = params.read_settings(entries.EntriesStage, scale, "entries")
    searched = {name: f"results/{scale}/genotypes/{name}.json" for name in settings.searched}
    with files.replacing_folder(f"results/{scale}/entries") as folder:
        for name, entry in settings.entries.items():
            digest = imageset.digest(f"data/prepared/{scale}/images/{name.partition('-')[0]}")
            resolved = entries.resolve(f"entries.{name}", entry, searched)
            formats.write_json(folder / f"{name}.json", {**resolved, "data": digest})
        for name, entry in settings.imagenet.items():
            resolved = entries.resolve(f"imagenet_entries.{name}", entry, searched)
            formats.write_json(folder / f"imagenet-{name}.json", resolved)


if __name__ == "__main__":
    command.run(main)
