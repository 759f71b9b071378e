"""What the cells come to on other images than they were searched on, and on street scenes."""

from collections.abc import Iterator
from pathlib import Path

from eoinas import plan as plans
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.report import estimate, load, load_transfer, table
from eoinas.report.estimate import interval


def lines(scale: str, plan: plans.Plan) -> Iterator[str]:
    """A line a network.

    Raises:
        InputError: a result is missing.
    """
    for data, entries in plan.entries.items():
        for key, entry in entries.items():
            if data != plan.searched_on:
                runs = load.runs(scale, data, key)
                length = table.epochs_text(plan, "retrain", runs.epochs)
                yield f"{_cell(plan, entry)}, on {runs.data}, {length}: test error {_share(runs)}."
    for key, entry in plan.imagenet.items():
        top1, _ = load_transfer.imagenet(scale, key)
        length = table.epochs_text(plan, "imagenet", top1.epochs)
        yield f"{_cell(plan, entry)}, on {top1.data}, {length}: top-1 error {_share(top1)}."
    for key, entry in plan.cityscapes.items():
        scratch, pretrained = (load_transfer.segmented(scale, key, init) for init in load_transfer.INITS)
        yield (
            f"{_cell(plan, entry)}, on {scratch.data}: mIoU over {scratch.classes} of {len(CLASSES)} classes {scratch.miou:.1f} "
            f"% from scratch, {pretrained.miou:.1f} % from a pretrained backbone, {pretrained.miou - scratch.miou:+.1f} points; "
            "how much of it is chance is not known."
        )


def _cell(plan: plans.Plan, entry: plans.Entry) -> str:
    """The cell of an entry, and where it is from."""
    cutout = " with CutOut" * bool(entry.cutout)
    if entry.genotype == table.CITYSCAPES:
        return f"The cell that {table.label(plan, entry.genotype)} found on street scenes"
    if entry.genotype in plan.variants:
        return f"The selected cell of {table.label(plan, entry.genotype)}{cutout}"
    return f"{'A random cell' if entry.genotype == plans.RANDOM else f'The given cell {Path(entry.genotype).stem}'}{cutout}"


def _share(runs: load.Runs) -> str:
    """An error in percent with what its test images leave open, beside that of chance."""
    found, chance = estimate.share(runs.mean, runs.images), 100 * (1 - 1 / runs.classes)
    unclear = found.high is not None and found.high >= chance
    of = f"n {runs.n}, {runs.images:,} images" if runs.n > 1 else f"{runs.images:,} images"
    return (
        f"{interval(found, '.1f')} % ({of}; chance {chance:.4g} %, {runs.classes} classes{', not shown to be better' * unclear})"
    )
