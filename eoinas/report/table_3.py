"""Table III: what the two parts of the method do on CIFAR-10 (Sec. IV-E), quoted and measured, with tests of the differences."""

from itertools import combinations

from eoinas import params
from eoinas.report import load, reference, table
from eoinas.report.scale import announce, is_paper

COLUMNS = ("Source", "Architecture", "SSS", "OII", "Days (search)", "Params (million)", "Error (%)")
# Entry of cifar10 -> is SSS on, is OII on; the random row is the baseline that no search precedes.
ROWS = {
    "baseline_cutout": (False, False),
    "sss_cutout": (True, False),
    "eoinas_cutout": (True, True),
    "random_cutout": (None, None),
}
MARKS = {True: "✓", False: "×", None: reference.NONE}
LEVEL = 0.05


def table_3(scale: str) -> table.Table:
    """The paper's three rows, then the same three and the random baseline as far as params.yaml has them.

    Raises:
        InputError: a result is missing.
    """
    entries = {key: entry for key, entry in params.top().entries.cifar10.items() if key in ROWS}
    entries = {key: entries[key] for key in ROWS if key in entries}
    runs = {key: load.runs(scale, "cifar10", key) for key in entries}
    sizes = {key: load.complexity(scale, "cifar10", key) for key in entries}
    costs = {key: load.cost(scale, e.genotype) if e.genotype in load.SEARCHED else None for key, e in entries.items()}
    tests = welch({key: runs[key].errors for key in entries})

    quoted = [
        ["quoted", row.architecture, MARKS[row.sss], MARKS[row.oii], row.days, row.params, row.error] for row in reference.TABLE_3
    ]
    measured = [
        [
            *(table.measured_mark(scale), table.name_cell(entry, key), *(MARKS[part] for part in ROWS[key])),
            *(table.days_text(costs[key]), table.million(sizes[key].params), table.error_text(runs[key])),
        ]
        for key, entry in entries.items()
    ]
    absent = [f"`{key}` is not in `entries.cifar10` of params.yaml and was not run." for key in ROWS if key not in entries]
    remarks = [
        "SSS: search space slimming by the Markov chain. OII: operation importance indicator.",
        reference.ERROR,
        "Days of a measured row are those of one search, the mean over its seeds, on the device named; k: thousand.",
        "The random row was run, not quoted: same selection and training, but cells drawn at random.",
        reference.RANDOM,
        reference.GDAS_ABLATION,
        *absent,
    ]
    caution = "" if is_paper(scale) else f" Below paper scale ({announce(scale)}) it says nothing about the paper's claim."
    markdown = "\n".join(
        [
            table.heading(scale, "III", "the two parts of the method on CIFAR-10"),
            table.banner(scale, runs.values()),
            table.grid(COLUMNS, quoted + measured),
            table.notes(remarks),
            "## Do the measured errors differ by more than chance?\n",
            "Welch's t-test, two-sided, on the errors of the training runs; p after Holm's correction for "
            f"{len(tests)} comparisons is held against {LEVEL}. Each row is one selected network, so the test compares "
            f"these networks and not the search methods as such.{caution}\n",
            table.notes(_verdict(test) for test in tests) or "Nothing to compare.\n",
        ]
    )
    records = [_quoted_record(row) for row in reference.TABLE_3]
    records += [_record(scale, key, entries[key], runs[key], sizes[key], costs[key]) for key in entries]
    metrics = {"cifar10": {key: table.error_metrics(runs[key], sizes[key]) for key in entries}, "welch": _test_metrics(tests)}
    return table.Table(markdown, table.csv_text(records), metrics)


def welch(errors: dict[str, tuple[float, ...]]) -> list[dict]:
    """Welch's t-test for every pair of networks, with Holm's correction.

    Args:
        errors: percent, one a run, by network.

    Returns:
        One dict a pair: ``pair``, ``n`` (both), ``difference`` of the means in points, and ``t``, ``p``, ``holm``, or None for
        these where no test is possible (a single run, or no spread at all).
    """
    from scipy.stats import ttest_ind

    tests = []
    for first, second in combinations(errors, 2):
        a, b = errors[first], errors[second]
        test = {"pair": (first, second), "n": (len(a), len(b)), "difference": sum(a) / len(a) - sum(b) / len(b)}
        testable = min(len(a), len(b)) > 1 and len(set(a)) + len(set(b)) > 2
        result = ttest_ind(a, b, equal_var=False) if testable else None
        numbers = {"t": float(result.statistic), "p": float(result.pvalue)} if testable else {"t": None, "p": None}
        tests.append({**test, **numbers, "holm": None})
    # Holm: the k-th smallest of m p-values times m - k + 1, never below the one before.
    ranked = sorted((test for test in tests if test["p"] is not None), key=lambda test: test["p"])
    below = 0.0
    for rank, test in enumerate(ranked):
        below = test["holm"] = min(1.0, max(below, (len(ranked) - rank) * test["p"]))
    return tests


def _verdict(test: dict) -> str:
    first, second = test["pair"]
    head = f"`{first}` against `{second}` (n = {test['n'][0]} and {test['n'][1]}): {test['difference']:+.2f} points"
    if test["p"] is None:
        return f"{head}; no test possible, the runs give no spread to test against."
    numbers = f"{head}, t = {test['t']:.2f}, p = {test['p']:.3g}, corrected {test['holm']:.3g}"
    if test["holm"] >= LEVEL:
        return f"{numbers}: **no significant difference**."
    return f"{numbers}: significant, `{first if test['difference'] < 0 else second}` has the lower error."


def _quoted_record(row: reference.Ablation) -> dict:
    values = {"days": row.days, "params_million": row.params, "error": row.error}
    return {**_blank(), "source": "quoted", "architecture": row.architecture, "sss": row.sss, "oii": row.oii, **values}


def _record(scale: str, key: str, entry: params.Entry, runs: load.Runs, size: load.Complexity, cost: load.Cost | None) -> dict:
    sss, oii = ROWS[key]
    head = {"source": "measured", "scale": scale, "entry": key, "architecture": table.name(entry), "sss": sss, "oii": oii}
    record = {**_blank(), **head}
    if cost is not None:
        record |= {"days": f"{cost.days:.3f}", "device": cost.device}
    spread = None if runs.sd is None else f"{runs.sd:.2f}"
    errors = {"error": f"{runs.mean:.2f}", "sd": spread, "n": runs.n, "images": runs.data}
    return record | {"params_million": size.params / 1e6, **errors}


def _blank() -> dict:
    columns = ["source", "scale", "entry", "architecture", "sss", "oii", "days", "device", "params_million"]
    return dict.fromkeys([*columns, "error", "sd", "n", "images"])


def _test_metrics(tests: list[dict]) -> dict:
    return {
        "_vs_".join(test["pair"]): {"difference": round(test["difference"], 4), "p_holm": round(test["holm"], 6)}
        for test in tests
        if test["holm"] is not None
    }
