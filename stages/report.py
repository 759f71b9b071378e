"""The page that shows every table and figure of a scale. Usage: python -m stages.report SCALE"""

from eoinas import command, files
from eoinas.report.page import page


def main(scale: str) -> None:
    files.write_text(f"reports/{scale}/README.md", page(scale))


if __name__ == "__main__":
    command.run(main)
