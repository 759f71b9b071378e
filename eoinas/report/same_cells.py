"""Which searches and entries ended in the same cell, so that nobody reads two rows of one network as two findings."""

from collections.abc import Iterable, Mapping

from eoinas import plan as plans
from eoinas.report import cell, load


def of_entries(scale: str, entries: Mapping[tuple[str, str], plans.Entry]) -> list[str]:
    """A remark for each group of equal cells among those that entries name.

    Args:
        entries: by data set and name.

    Raises:
        InputError: a genotype is missing.
    """
    plan, found = plans.load(scale), {}
    for (data, name), entry in entries.items():
        if entry.genotype in plan.candidates:
            found.setdefault(entry.genotype, load.selected_cells(scale, entry.genotype))
        elif entry.genotype not in found:
            path = f"results/{scale}/entries/{data}-{name}.json"
            found[entry.genotype] = cell.parse(load.fields(path, "cell")[0], path, plan.space)
    return [_remark(group, all(name in plan.candidates for name in group)) for group in _groups(found)]


def of_searches(scale: str) -> list[str]:
    """A remark for each group of equal cells among those of all searches.

    Raises:
        InputError: a genotype is missing.
    """
    plan = plans.load(scale)
    every = [(candidate, seed) for candidate in plan.candidates for seed in plan.seeds]
    found = {pair: load.cells(scale, f"results/{scale}/derive/{pair[0]}/{pair[1]}/genotype.json") for pair in every}
    remarks = []
    for group in _groups(found):
        names = dict.fromkeys(candidate for candidate, _ in group)
        seeds = {name: [str(seed) for candidate, seed in group if candidate == name] for name in names}
        words = [f"`{name}` seed{'s' * (len(numbers) > 1)} {joined(numbers)}" for name, numbers in seeds.items()]
        remarks.append(f"One and the same cell: {'; '.join(words)}.")
    return remarks


def joined(words: Iterable[str]) -> str:
    """Such as "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _remark(names: list[str], selected: bool) -> str:
    return f"The {'selected ' * selected}cells of {joined(f'`{name}`' for name in names)} are the same."


def _groups(found: Mapping) -> list[list]:
    """The keys whose cells are equal, in groups of two and more."""
    groups: dict[tuple, list] = {}
    for key, cells in found.items():
        groups.setdefault(tuple(each.same_as for each in cells), []).append(key)
    return [group for group in groups.values() if len(group) > 1]
