"""What the results say about the paper's claims, as a page and a picture. Usage: python -m stages.findings SCALE"""

from eoinas import command, files, formats
from eoinas.report.fig_findings import fig_findings
from eoinas.report.findings import findings


def main(scale: str) -> None:
    found = findings(scale)
    files.write_text(f"reports/{scale}/findings.md", found.markdown)
    files.write_text(f"reports/{scale}/findings.csv", found.csv)
    formats.write_json(f"reports/{scale}/findings.json", found.metrics)
    fig_findings(scale, f"reports/{scale}/fig_findings.png")


if __name__ == "__main__":
    command.run(main)
