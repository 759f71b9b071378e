"""Table V: IoU of each class of street scenes (Sec. V-C), quoted and measured."""

from eoinas import plan as plans
from eoinas.data.cityscapes_labels import CLASSES  # in the order of reference.CITYSCAPES_CLASSES
from eoinas.report import load_transfer, reference, table
from eoinas.report.scale import is_paper, opening

COLUMNS = ("Source", "Method", *reference.CITYSCAPES_CLASSES, "mIoU", "Images")
CSV = ("source", "scale", "entry", "init", "method", *CLASSES, "miou", "split", "images", "count", "iterations")
FROM_SCRATCH = " ‡"  # as the paper marks it
INITS = {"scratch": f"{FROM_SCRATCH}, from scratch", "pretrained": ", pretrained"}


def table_5(scale: str) -> table.Table:
    """All rows of the paper, then two rows an entry of params.yaml: from scratch, and from the pretrained backbone.

    Raises:
        InputError: a result is missing.
    """
    plan = plans.load(scale)
    found = {
        (key, init): (entry, load_transfer.segmented(scale, key, init))
        for key, entry in plan.cityscapes.items()
        for init in load_transfer.INITS
    }
    results = [result for _, result in found.values()]
    quoted = [["quoted", row.method, *row.iou, row.miou, "Cityscapes"] for row in reference.TABLE_5]
    measured = [_cells(scale, plan, entry, key, init, result) for (key, init), (entry, result) in found.items()]
    remarks = [
        "‡: without pretraining on ImageNet. The pretrained rows start from a backbone trained on what stands for ImageNet at "
        "this scale.",
        "IoU in percent. Measured: from one confusion matrix summed over all pixels of all val images at their full size, "
        "after the last iteration, of a single training run (n = 1).",
        f"{reference.NONE} in a measured row: the class never occurs in the val images and is left out of the mean, which is "
        f"over {' and '.join(dict.fromkeys(str(result.classes) for result in results))} of {len(CLASSES)} classes.",
        *_foreign(results),
        "Measured rows are of val images; the paper does not say on which split its rows were measured.",
        reference.FRRN_MEAN,
        reference.DEEPLAB_MEAN,
    ]
    markdown = "\n".join(
        [
            table.heading(scale, "V", "IoU of each class of street scenes"),
            _banner(scale, results),
            table.grid(COLUMNS, quoted + measured),
            table.notes(remarks),
        ]
    )
    records = [_quoted_record(row) for row in reference.TABLE_5]
    records += [_record(scale, plan, entry, key, init, result) for (key, init), (entry, result) in found.items()]
    metrics: dict = {}
    for (key, init), (_, result) in found.items():
        metrics.setdefault(key, {})[init] = {"miou": round(result.miou, 4), "images": result.images}
    return table.Table(markdown, table.csv_text(records, CSV), {"cityscapes": metrics})


def _foreign(results: list[load_transfer.Segmented]) -> list[str]:
    """What the columns mean where the scenes are of another data set, which has classes of its own."""
    others = sorted({result.data for result in results if result.lent and result.data != "Cityscapes"})
    return [
        f"{name}: its classes stand under those of Cityscapes whose label ids they were given"
        f"{', bicyclists under rider' * (name == 'CamVid')}."
        for name in others
    ]


def _banner(scale: str, results: list[load_transfer.Segmented]) -> str:
    facts = dict.fromkeys(f"{r.data}, {r.images} val images, {r.iterations} iterations" for r in results)
    warning = "" if is_paper(scale) else f" **{opening(scale)}; not comparable with the quoted rows.**"
    return (
        f"> Rows marked {table.measured_mark(scale)} were run by this project on {'; '.join(facts)}.{warning}\n>\n"
        "> Rows marked quoted are printed in the paper; bracketed numbers are its references.\n"
    )


def _method(plan: plans.Plan, entry: plans.Entry, init: str) -> str:
    return table.name(plan, entry) + INITS[init]


def _cells(scale: str, plan: plans.Plan, entry: plans.Entry, key: str, init: str, result: load_transfer.Segmented) -> list[str]:
    return [
        *(table.measured_mark(scale), f"**{_method(plan, entry, init)}** (`{key}`)"),
        *(reference.NONE if result.iou[name] is None else f"{result.iou[name]:.1f}" for name in CLASSES),
        *(f"**{result.miou:.1f}**", f"val, {result.data}"),
    ]


def _quoted_record(row: reference.Cityscapes) -> dict:
    iou = dict(zip(CLASSES, row.iou, strict=True))
    return {"source": "quoted", "method": row.method, **iou, "miou": row.miou}


def _record(scale: str, plan: plans.Plan, entry: plans.Entry, key: str, init: str, result: load_transfer.Segmented) -> dict:
    head = {"source": "measured", "scale": scale, "entry": key, "init": init, "method": _method(plan, entry, init)}
    iou = {name: None if result.iou[name] is None else f"{result.iou[name]:.2f}" for name in CLASSES}
    images = {"split": "val", "images": result.data, "count": result.images, "iterations": result.iterations}
    return {**head, **iou, "miou": f"{result.miou:.2f}", **images}
