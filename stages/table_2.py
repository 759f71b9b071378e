"""Table II: errors on ImageNet, quoted rows and ours. Usage: python -m stages.table_2 SCALE"""

from eoinas import command, files, formats
from eoinas.report.table_2 import table_2


def main(scale: str) -> None:
    table = table_2(scale)
    files.write_text(f"reports/{scale}/table_2.md", table.markdown)
    files.write_text(f"reports/{scale}/table_2.csv", table.csv)
    formats.write_json(f"reports/{scale}/table_2.json", table.metrics)


if __name__ == "__main__":
    command.run(main)
