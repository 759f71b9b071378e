"""Table V: IoU of each class of street scenes, quoted rows and ours. Usage: python -m stages.table_5 SCALE"""

from eoinas import command, files, formats
from eoinas.report.table_5 import table_5


def main(scale: str) -> None:
    table = table_5(scale)
    files.write_text(f"reports/{scale}/table_5.md", table.markdown)
    files.write_text(f"reports/{scale}/table_5.csv", table.csv)
    formats.write_json(f"reports/{scale}/table_5.json", table.metrics)


if __name__ == "__main__":
    command.run(main)
