"""Table I: errors on CIFAR-10 and CIFAR-100, quoted rows and ours. Usage: python -m stages.table_1 SCALE"""

from eoinas import command, files, formats
from eoinas.report.table_1 import table_1


def main(scale: str) -> None:
    table = table_1(scale)
    files.write_text(f"reports/{scale}/table_1.md", table.markdown)
    files.write_text(f"reports/{scale}/table_1.csv", table.csv)
    formats.write_json(f"reports/{scale}/table_1.json", table.metrics)


if __name__ == "__main__":
    command.run(main)
