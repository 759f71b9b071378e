"""What the result tables share: their form, how a measured network is named and how its numbers are printed."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eoinas import params
from eoinas.report import load, reference
from eoinas.report.scale import announce, is_paper

NAMES = {
    "eoinas": "EoiNAS",
    "baseline": "EoiNAS without SSS and OII",
    "sss": "EoiNAS without OII",
    "random": "Random architecture",
}
METHODS = {"eoinas": "gradient-based", "baseline": "gradient-based", "sss": "gradient-based", "random": "random"}
GIVEN = "none (given genotype)"


@dataclass(frozen=True)
class Table:
    """A table as Markdown for people, as CSV for programs and as nested numbers for ``dvc metrics show``."""

    markdown: str
    csv: str
    metrics: dict


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a ``|`` inside a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def csv_text(rows: Sequence[dict]) -> str:
    """Rows with the same keys as CSV; None becomes an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def name(entry: params.Entry | params.Transfer) -> str:
    """A measured network in words."""
    searched = {**NAMES, "cityscapes": NAMES["eoinas"]}  # the search on street scenes has the full method
    label = searched.get(entry.genotype) or f"genotype {Path(entry.genotype).stem}"
    return f"{label}{' + CutOut' if getattr(entry, 'cutout', 0) else ''}"


def name_cell(entry: params.Entry | params.Transfer, key: str) -> str:
    """A measured network in words, with its key in params.yaml."""
    return f"**{name(entry)}** (`{key}`)"


def measured_mark(scale: str) -> str:
    """The first cell of every measured row."""
    return f"**measured here, {scale} scale**"


def error_text(runs: load.Runs) -> str:
    """Mean ± sd and n of the error in percent; names the images unless they are CIFAR, which the column's title says."""
    spread = f" ± {runs.sd:.2f}" if runs.sd is not None else ""
    images = "" if runs.is_cifar else f", {runs.data}"
    return f"**{runs.mean:.2f}{spread}** (n = {runs.n}{images})"


def million(count: int) -> str:
    """A count in million; a small one in thousands, with a "k", so that it does not print as 0.0."""
    return f"{count / 1e6:.2f}" if count >= 100_000 else f"{count / 1e3:.1f} k"


def days_text(cost: load.Cost | None) -> str:
    """Days of a search and the device; a dash for a network that no search of this project found."""
    if cost is None:
        return reference.NONE
    days = f"{cost.days:.3f}"
    return f"{'< 0.001' if days == '0.000' else days} ({cost.device})"


def error_metrics(runs: load.Runs, complexity: load.Complexity) -> dict:
    """The numbers of one network on one data set; no ``sd`` for a single run."""
    spread = {} if runs.sd is None else {"sd": round(runs.sd, 4)}
    return {"error": round(runs.mean, 4), **spread, "n": runs.n, "params_million": complexity.params / 1e6}


def heading(scale: str, number: str, title: str) -> str:
    """The title line; below paper scale it says that this is not the paper's result."""
    return f"# Table {number}: {title}\n" if is_paper(scale) else f"# Table {number} ({announce(scale)}): {title}\n"


def banner(scale: str, measured: Iterable[load.Runs], scored: str = "test images") -> str:
    """The paragraph that tells measured from quoted rows and names the images and epochs of the measured ones."""
    facts = dict.fromkeys(f"{r.data}, {r.classes} classes, {r.epochs} epochs, {r.images} {scored}" for r in measured)
    warning = "" if is_paper(scale) else f" **{announce(scale).capitalize()}; not comparable with the quoted rows.**"
    return (
        f"> Rows marked {measured_mark(scale)} were run by this project on {'; '.join(facts)}.{warning}\n>\n"
        "> Rows marked quoted are printed in the paper; bracketed numbers are its references.\n"
    )


def notes(lines: Iterable[str]) -> str:
    """Remarks under a table as a list."""
    return "".join(f"- {line}\n" for line in lines)
