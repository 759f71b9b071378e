"""What the result tables share: their form, how a measured network is named and how its numbers are printed."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eoinas import plan as plans
from eoinas.report import load, reference
from eoinas.report.scale import announce, is_paper, opening

RANDOM = "Random architecture"
GIVEN = "none (given genotype)"
DAYS = "the mean over its seeds, each rounded down to 0.01"  # of one search
OII = {"oii": True, "beta": False}  # what ranks the operations -> is OII on; another one is a control and goes by its name
CITYSCAPES = "cityscapes"  # as an entry names the cell of the search on street scenes


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


def csv_text(rows: Sequence[dict], columns: Sequence[str] | None = None) -> str:
    """Rows with the same keys as CSV; None becomes an empty field. Without rows, the columns must be named."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def label(plan: plans.Plan, genotype: str) -> str:
    """In words the cell that an entry names."""
    if genotype == plans.RANDOM:
        return RANDOM
    variant = plan.variants.get(plan.seg_variant if genotype == CITYSCAPES else genotype)
    return f"genotype {Path(genotype).stem}" if variant is None else variant.label


def name(plan: plans.Plan, entry: plans.Entry) -> str:
    """A measured network in words."""
    return f"{label(plan, entry.genotype)}{' + CutOut' if entry.cutout else ''}"


def name_cell(plan: plans.Plan, entry: plans.Entry, key: str) -> str:
    """A measured network in words, with its key in params.yaml."""
    return f"**{name(plan, entry)}** (`{key}`)"


def method(plan: plans.Plan, genotype: str) -> str | None:
    """How a cell was searched; None for a given one."""
    return "gradient-based" if genotype in plan.variants else "random" if genotype == plans.RANDOM else None


def parts(plan: plans.Plan, genotype: str) -> tuple[bool | None, bool | str | None]:
    """Whether SSS and OII are on, or in the place of OII the control; None for what no search has found."""
    variant = plan.variants.get(genotype)
    return (None, None) if variant is None else (variant.slimming, OII.get(variant.indicator, variant.indicator))


def marks(plan: plans.Plan, genotype: str) -> list[str]:
    """``parts`` as the tables print them."""
    return [mark(part) for part in parts(plan, genotype)]


def mark(part: bool | str | None) -> str:
    """On, off, none, or the name of a control."""
    return part if isinstance(part, str) else {True: "✓", False: "×", None: reference.NONE}[part]


def measured_mark(scale: str) -> str:
    """The first cell of every measured row."""
    return f"**measured here, {scale} scale**"


def error_text(runs: load.Runs, column: str = "") -> str:
    """Mean ± sd and n of the error in percent; names the images unless they are what the column is about."""
    return f"**{spread_text(runs)}** (n = {runs.n}{images_text(runs, column)})"


def spread_text(found: load.Runs | load.Searches) -> str:
    """Mean ± sd in percent; no sd of a single one."""
    return f"{found.mean:.2f}" if found.sd is None else f"{found.mean:.2f} ± {found.sd:.2f}"


def count_text(candidate: str, n: int) -> str:
    """Of how many searches a row is; random cells are no searches."""
    return f"n = {n} cell{'s' * (n > 1)}" if candidate == plans.RANDOM else f"n = {n} search{'es' * (n > 1)}"


def images_text(runs: load.Runs, column: str) -> str:
    """The images, after a comma, unless they are what the column is about."""
    return "" if runs.what == column else f", {runs.data}"


def million(count: int) -> str:
    """A count in million; a small one in thousands, with a "k", so that it does not print as 0.0."""
    return f"{count / 1e6:.2f}" if count >= 100_000 else f"{count / 1e3:.1f} k"


def days_text(cost: load.Cost | None) -> str:
    """Days of a search and the device; a dash for a network that no search of this project found."""
    if cost is None:
        return reference.NONE
    days = f"{cost.days:.2f}"
    return f"{'< 0.01' if days == '0.00' else days} ({cost.device})"


def error_metrics(runs: load.Runs, complexity: load.Complexity) -> dict:
    """The numbers of one network on one data set; no ``sd`` for a single run.

    The key is not "error", which dvc would take for a file that it failed to load.
    """
    spread = {} if runs.sd is None else {"sd": round(runs.sd, 4)}
    return {"test_error": round(runs.mean, 4), **spread, "n": runs.n, "params_million": complexity.params / 1e6}


def error_record(found: load.Runs | load.Searches) -> dict:
    """Error, standard deviation and n for a CSV."""
    return {"error": f"{found.mean:.2f}", "sd": None if found.sd is None else f"{found.sd:.2f}", "n": found.n}


def caution(scale: str) -> str:
    """The sentence that ends what is said of a test; nothing at paper scale."""
    return "" if is_paper(scale) else f" Below paper scale ({announce(scale)}) it says nothing about the paper's claim."


def heading(scale: str, number: str, title: str) -> str:
    """The title line; below paper scale it says that this is not the paper's result."""
    return f"# Table {number}: {title}\n" if is_paper(scale) else f"# Table {number} ({announce(scale)}): {title}\n"


def epochs_text(plan: plans.Plan, block: str, epochs: int) -> str:
    """How long a training was, with the images of an epoch where it does not take all; ``block`` is that of params.yaml."""
    images = plan.epoch_images[block]
    return f"{epochs} epochs" + (f" of {images:,} images{' of each half' * (block == 'search')}" if images else "")


def banner(scale: str, measured: Iterable[load.Runs], block: str, scored: str = "test images") -> str:
    """The paragraph that tells measured from quoted rows and names the images and epochs of the measured ones."""
    plan = plans.load(scale)
    facts = dict.fromkeys(
        f"{r.data}, {r.classes} classes, {epochs_text(plan, block, r.epochs)}, {r.images} {scored}" for r in measured
    )
    warning = "" if is_paper(scale) else f" **{opening(scale)}; not comparable with the quoted rows.**"
    return (
        f"> Rows marked {measured_mark(scale)} were run by this project on {'; '.join(facts)}.{warning}\n>\n"
        "> Rows marked quoted are printed in the paper; bracketed numbers are its references.\n"
    )


def notes(lines: Iterable[str]) -> str:
    """Remarks under a table as a list."""
    return "".join(f"- {line}\n" for line in lines)
