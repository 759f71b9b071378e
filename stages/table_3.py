"""Table III: what the two parts of the method do on CIFAR-10, quoted rows and ours. Usage: python -m stages.table_3 SCALE"""

from eoinas import command, files, formats
from eoinas.report.table_3 import table_3


def main(scale: str) -> None:
    table = table_3(scale)
    files.write_text(f"reports/{scale}/table_3.md", table.markdown)
    files.write_text(f"reports/{scale}/table_3.csv", table.csv)
    formats.write_json(f"reports/{scale}/table_3.json", table.metrics)


if __name__ == "__main__":
    command.run(main)
