"""What is trained on images: every entry of params.yaml with its cell. Usage: python -m stages.entries SCALE"""

from eoinas import command, entries, files, formats, params


def main(scale: str) -> None:
    searched = {name: f"results/{scale}/genotypes/{name}.json" for name in entries.SEARCHED}
    found = params.top().entries
    with files.replacing_folder(f"results/{scale}/entries") as folder:
        for data, networks in {**found.cifar, "imagenet": found.imagenet}.items():
            for name, entry in networks.items():
                resolved = entries.resolve(f"entries.{data}.{name}", entry, searched)
                formats.write_json(folder / data / f"{name}.json", resolved)


if __name__ == "__main__":
    command.run(main)
