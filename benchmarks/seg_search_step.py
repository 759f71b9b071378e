"""The step of the search on street scenes, against plain versions: ``python -m benchmarks.seg_search_step``.

As ``benchmarks.search_step``, with the network of Table IV on crops of half its size, so that a CPU is done in minutes.
"""

import sys

import torch

from benchmarks import reference, search_step, timing
from eoinas import params, settings
from eoinas.data.cityscapes_labels import CLASSES
from eoinas.models.seg_supernet import SupernetSegmentation
from eoinas.train import search_seg

CROP, TURNS, SOFT_TURNS, LIVE = 160, 8, 2, 8


def resolved() -> search_seg.SegSearchParams:
    """The numbers of the paper."""
    return settings.resolve(params.read(), "paper")["seg_search"]


def networks(batch: int) -> search_step.Networks:
    """The supernet for street scenes at the paper's size, with the project's loss."""
    numbers = resolved()
    torch.manual_seed(0)
    fast = SupernetSegmentation(search_step.SPACE, numbers.C, numbers.cells, numbers.aspp_rates, len(CLASSES), pool_bn=True)
    plain = reference.SupernetSegmentation(numbers.C, numbers.cells, numbers.aspp_rates, len(CLASSES))
    plain.load_state_dict(fast.state_dict())
    images, targets = torch.randn(2, batch, 3, CROP, CROP), torch.randint(len(CLASSES), (2, batch, CROP, CROP))
    return search_step.Networks(fast, plain, tuple(zip(images, targets, strict=True)), search_seg.loss_and_accuracy)


def main() -> None:
    count = timing.threads()
    numbers = resolved()
    batch = numbers.batch_size
    if sys.argv[1:2] == [timing.MEMORY]:
        live, name = int(sys.argv[2]), sys.argv[3]
        return timing.print_growth(lambda: search_step.works(networks(batch), live)[name], search_step.memory_turns(name))
    title = f"Search step on street scenes, C = {numbers.C}, cells {numbers.cells}, crop {CROP}, batch {batch}"
    report = timing.Report("seg_search_step", title, dtype="float32", batch=batch, threads=count)
    search_step.compare(report, networks(batch), LIVE, "benchmarks.seg_search_step", TURNS, SOFT_TURNS)
    report.remarks = search_step.REMARKS
    report.write()


if __name__ == "__main__":
    main()
