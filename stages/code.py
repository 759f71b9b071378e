"""For every script the files that can change what it writes, with their hashes. Usage: python -m stages.code"""

from eoinas import code, command, files, formats


def main() -> None:
    with files.replacing_folder("results/code") as folder:
        for script in code.scripts():
            formats.write_json(folder / f"{script}.json", code.effective(script))


if __name__ == "__main__":
    command.run(main)
