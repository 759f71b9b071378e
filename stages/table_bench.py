"""The table of NAS-Bench-201. Usage: python -m stages.table_bench SCALE"""

from eoinas import command, files, formats
from eoinas.report.table_bench import table_bench


def main(scale: str) -> None:
    table = table_bench(scale)
    files.write_text(f"reports/{scale}/table_bench.md", table.markdown)
    files.write_text(f"reports/{scale}/table_bench.csv", table.csv)
    formats.write_json(f"reports/{scale}/table_bench.json", table.metrics)


if __name__ == "__main__":
    command.run(main)
