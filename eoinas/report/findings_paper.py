"""What the paper's own differences mean, held against the scatter of random cells and of trainings; all of it quoted."""

from math import comb

from eoinas.report import estimate, reference, table

SEARCHES = 4  # of the paper, a variant
RUNS = 10  # trainings of its best model, Sec. IV-B 2)
STEPS = (("SSS", 0, 1), ("OII", 1, 2), ("SSS and OII", 0, 2))  # rows of Table III before and after
PAIRS = comb(len(reference.TABLE_3) + 1, 2)  # of its rows and random cells


def short() -> str:
    """A line: how often random cells differ as the paper's rows do."""
    found = (f"{what} {_points(*rows):.2f} points, {_as_far(*rows, reference.RANDOM_SD)} of pairs" for what, *rows in STEPS)
    return (
        "What the paper gains, quoted, and how many pairs of random cells of its space, in full training, lie as far apart: "
        f"{'; '.join(found)}."
    )


def section() -> str:
    """Markdown."""
    from scipy.stats import norm

    best = _error(-1)
    below = float(norm.cdf((best - reference.RANDOM_ERROR) / reference.RANDOM_SD))
    averaged = (reference.RANDOM_SD**2 - (1 - 1 / RUNS) * reference.SEEDS_SD**2) ** 0.5
    rows = []
    for what, *places in STEPS:
        effect = _points(*places) / reference.RANDOM_SD
        alone, corrected = (f"{100 * estimate.power(effect, SEARCHES, estimate.LEVEL / tests):.0f} %" for tests in (1, PAIRS))
        spreads = [_as_far(*places, sd) for sd in (reference.RANDOM_SD, reference.SEEDS_SD, reference.SEEDS_SD / RUNS**0.5)]
        before, after = map(_error, places)
        rows.append([what, f"{before:.2f} to {after:.2f}", *spreads, alone, corrected, str(estimate.needed(effect))])
    columns = (
        *("In the paper", "Error (%)", "Pairs of random cells as far apart", "Pairs of trainings of one cell as far apart"),
        f"Pairs of means of {RUNS} trainings of one cell as far apart",
        *(f"Chance that {SEARCHES} searches of each show it, one test", f"the same, corrected for {PAIRS} pairs"),
        "Searches of each for a chance of 80 %, one test",
    )
    return (
        "Quoted: Table III of the paper has one selected cell a row, and of its best model the mean of ten trainings (Sec. IV-B "
        f"2; of the other rows it does not say). {reference.GDAS_ABLATION} So the gain over it may be one "
        "over another code. Random cells of the same space, trained by the same recipe of 600 epochs, have "
        f"{reference.RANDOM_ERROR} ± {reference.RANDOM_SD} % ({reference.RANDOM_NETWORKS} networks; {reference.RANDOM_SOURCE}); "
        f"one cell trained again with other seeds {reference.SEEDS_ERROR} ± {reference.SEEDS_SD} ({reference.SEEDS_SOURCE}). "
        "Such spreads say nothing of the short trainings above. If errors are normal and cells that are found scatter as "
        f"random ones, each trained once (the mean of {RUNS} trainings would scatter by {averaged:.2f} in the place of "
        f"{reference.RANDOM_SD}):\n\n{table.grid(columns, rows)}\nIn the paper's favour: {best:.2f} % is "
        f"{(reference.RANDOM_ERROR - best) / reference.RANDOM_SD:.1f} deviations below the mean of random cells; "
        f"{100 * below:.1f} % of them would be as good, and the best of {SEARCHES} in {100 * (1 - (1 - below) ** SEARCHES):.1f} "
        "% of draws.\n"
    )


def _error(row: int) -> float:
    return float(reference.TABLE_3[row].error)


def _points(before: int, after: int) -> float:
    return _error(before) - _error(after)


def _as_far(before: int, after: int, sd: float) -> str:
    """How often two draws with this standard deviation differ by the step or more."""
    from scipy.stats import norm

    share = 200 * norm.sf(_points(before, after) / (sd * 2**0.5))
    return f"{share:.0f} %" if share >= 0.5 else "under 1 %"
