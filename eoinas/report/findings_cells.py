"""Whether the parts of the method change the cells that are found."""

import statistics
from collections.abc import Iterator, Sequence

from eoinas import plan as plans
from eoinas.report import changes, likeness, reference, table

EXPECTED = "expected by operations alone"


def name(plan: plans.Plan, candidate: str) -> str:
    """Whose cells they are, in words."""
    return "random cells" if candidate == plans.RANDOM else table.label(plan, candidate)


def short(scale: str, plan: plans.Plan) -> Iterator[str]:
    """A line: what the last of the method's parts does; nothing if it is not there."""
    cells = likeness.found(scale)
    whole, chance = _form(plan, cells)
    for one, other, what in changes.parts(plan)[-1:]:
        names = ((one, other), (other, other), (one, one))
        pairs = [likeness.same_seed(cells, one, other), *(likeness.other_seeds(cells, *each) for each in names)]
        same, another, own, before = (f"{statistics.fmean(_counts(each)):.1f}" if each else reference.NONE for each in pairs)
        yield (
            f"Edges that two cells have in common, of {whole}. One found with {what} and one without: {same} if the searches had "
            f"one seed, {another} if they had two. Two searches of {table.label(plan, other)}: {own}; of "
            f"{table.label(plan, one)}: {before}. Two random cells: {chance:.1f} on average. Not tested."
        )


def section(scale: str, plan: plans.Plan) -> str:
    """Markdown.

    Raises:
        InputError: a result is missing.
    """
    cells = likeness.found(scale)
    whole, chance = _form(plan, cells)
    form = next(iter(cells[plan.main].values()))
    rows = [
        [
            name(plan, one),
            *_shared(likeness.other_seeds(cells, one, one)),
            _between([likeness.simple(cell, plan.space) for cell in cells[one].values()]),
        ]
        for one in plan.candidates
    ]
    simple = f"Skips and poolings, of {whole} ({likeness.simple_by_chance(form, plan.space):.1f} if drawn evenly)"
    text = (
        f"Edges that two cells have in common, with the same operation between the same nodes, of {whole}: mean (smallest to "
        f"largest). Two random cells share {chance:.1f} on average, by calculation; the row of random cells has those drawn "
        "here. Expected: the operations of each cell, but placed at random. A number above it means that cells agree on where "
        "operations stand and not only on which ones they "
        f"use.\n\n{table.grid(('Cells of', 'Edges shared by two of them', EXPECTED, simple), rows)}"
    )
    rows = [
        [
            f"{what}: {table.label(plan, other)}; {table.label(plan, one)}",
            *_shared(likeness.same_seed(cells, one, other)),
            *_shared(likeness.other_seeds(cells, one, other)),
        ]
        for one, other, what in (*changes.parts(plan), *changes.whole(plan))
    ]
    if not rows:
        return text
    return (
        f"{text}\n{table.grid(('With and without', 'Shared by one seed', EXPECTED, 'Shared by two seeds', EXPECTED), rows)}\n"
        f"{_alike(changes.first_prune(scale, plan))}Described, not tested: pairs of a few searches are not independent.\n"
    )


def _alike(first: int) -> str:
    return f"Searches of one seed are the same up to the first prune, after epoch {first}. " if first else ""


def _form(plan: plans.Plan, cells: likeness.Found) -> tuple[int, float]:
    """Edges of a search's cells, and how many of them two random ones share."""
    form = next(iter(cells[plan.main].values()))
    return likeness.edges(form), float(likeness.chance(form, plan.space))


def _counts(pairs: Sequence[likeness.Pair]) -> list[int]:
    return [likeness.shared(*pair) for pair in pairs]


def _shared(pairs: Sequence[likeness.Pair]) -> list[str]:
    """What pairs of cells share, and what is expected."""
    if not pairs:
        return [reference.NONE] * 2
    return [_between(_counts(pairs)), f"{statistics.fmean(likeness.by_operations(*pair) for pair in pairs):.1f}"]


def _between(counts: Sequence[int]) -> str:
    return f"{statistics.fmean(counts):.1f} ({min(counts)} to {max(counts)})"
