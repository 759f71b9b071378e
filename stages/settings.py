"""Check all of params.yaml and write what each consumer gets of it, a file each. Usage: python -m stages.settings SCALE"""

from eoinas import command, files, params, settings


def main(scale: str) -> None:
    resolved = settings.resolve(params.read(), scale)
    with files.replacing_folder(f"results/{scale}/settings") as folder:
        for name, section in resolved.items():
            files.write_text(folder / f"{name}.json", params.as_json(section))


if __name__ == "__main__":
    command.run(main)
