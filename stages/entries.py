"""What is retrained: every entry of params.yaml with its cell. Usage: python -m stages.entries SCALE"""

from eoinas import entries, files, params, runtime


def main(scale: str) -> None:
    with files.replacing_folder(f"results/{scale}/entries") as folder:
        for data, networks in params.top().entries.items():
            for name, entry in networks.items():
                resolved = entries.resolve(scale, f"entries.{data}.{name}", entry)
                files.write_json(folder / data / f"{name}.json", resolved)


if __name__ == "__main__":
    runtime.run(main)
