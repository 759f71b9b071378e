"""Mutation tests: how much of the method's and the training's code could be wrong without a test noticing.

``python -m tests.mutants [COUNT [SEED]]`` (or ``make mutants``) has cosmic-ray list every mutation of ``PLACES`` that it can make
with ``OPERATORS``, draws COUNT of them (200 unless told), and makes one after another in a copy of the project. The tests that
run the changed line, quickest first, are to fail. What survives is written to reports/mutants/ with the reason that
tests/survivors.json gives, whose keys are what the page shows. Cut off and started again on the same code it goes on.
"""

import ast
import hashlib
import json
import os
import platform
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import coverage
import pytest
from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, WorkItem, WorkResult
from tqdm import tqdm

from eoinas import files, formats

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("eoinas/nas", "eoinas/train", "eoinas/schedules.py", "eoinas/data/augment.py", "eoinas/data/crops.py", "eoinas/metrics")
# One or two replacements an operator: cosmic-ray knows ten, most of which fail on every float.
OPERATORS = re.compile(
    r"core/(ReplaceBinaryOperator_(Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Mod_FloorDiv|Pow_Mul|BitAnd_BitOr|BitOr_BitAnd)"
    r"|ReplaceComparisonOperator_(Eq_NotEq|NotEq_Eq|Lt_LtE|Lt_GtE|LtE_Lt|LtE_Gt|Gt_GtE|Gt_LtE|GtE_Gt|GtE_Lt|Is_IsNot|IsNot_Is)"
    r"|ReplaceUnaryOperator_(USub_UAdd|Delete_USub|Delete_Invert|Delete_Not)"
    r"|AddNot|Replace(TrueWithFalse|FalseWithTrue|AndWithOr|OrWithAnd|BreakWithContinue|ContinueWithBreak)"
    r"|ExceptionReplacer|NumberReplacer|RemoveDecorator|ZeroIterationForLoop)"
)
LONGEST = 150.0  # seconds of tests for a mutation at most; one that outlives them counts as a survivor
# More test files of modules: of other names, or of processes of their own, where their lines are not seen.
TESTS_OF = {
    "eoinas/train/fit.py": ("tests/test_ranks.py",),
    "eoinas/train/candidates.py": ("tests/test_search.py",),
    "eoinas/train/search.py": ("tests/test_variants.py",),
    "eoinas/train/imagenet.py": ("tests/test_classify.py",),
}
WORKERS = len(os.sched_getaffinity(0))
LINES = "EOINAS_LINES"  # in the environment of the suite: the folder where the lines that each test runs are noted
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]


class Tests(NamedTuple):
    """What is known of the suite."""

    seconds: dict[str, float]  # of each test that passes, by its name
    lines: dict[str, dict[int, set[str]]]  # by file and line, the tests that run it

    def of(self, mutation: MutationSpec) -> list[str]:
        """The module's own test file; then tests that run what is changed, or the module at all, of the quickest files first."""
        path = Path(mutation.module_path)
        lines = self.lines.get(str(path), {})
        (first, _), (last, _) = mutation.start_pos, mutation.end_pos
        found = set().union(*(lines.get(line, set()) for line in range(first, last + 1)))
        # What runs on import alone is mostly the range of a parameter.
        own = [f"tests/test_{path.stem}.py"] if found else ["tests/test_bounds.py", f"tests/test_{path.stem}.py"]
        chosen = [name for name in (*own, *TESTS_OF.get(str(path), ())) if (ROOT / name).exists()]
        found = {name for name in found or set().union(*lines.values()) if file_of(name) not in chosen}
        cost: dict[str, float] = defaultdict(float)
        for name in found:
            cost[file_of(name)] += self.seconds[name]
        in_order = (name for name in self.seconds if name in found)
        left = LONGEST
        for name in sorted(in_order, key=lambda name: (cost[file_of(name)], file_of(name))):
            left -= self.seconds[name]
            if chosen and left < 0:
                break
            chosen.append(name)
        return chosen


def file_of(test: str) -> str:
    """tests/test_x.py of tests/test_x.py::test_y."""
    return test.partition("::")[0]


def copy(folder: Path) -> Path:
    """The project as it stands here."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    for name in listed("--cached", "--others", "--exclude-standard"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def listed(*what: str) -> list[str]:
    output = subprocess.run(["git", "ls-files", *what], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(set(filter(None, output.split("\n"))))


def modules() -> list[Path]:
    """What is mutated, relative to the project."""
    return [Path(name) for name in listed() if name.endswith(".py") and name.startswith(PLACES)]


def run_suite(folder: Path, keep: Path) -> None:
    """Every test once, with the lines that each runs."""
    # pytest keeps the folders of the last three runs of a user only, and others may run meanwhile.
    with tempfile.TemporaryDirectory() as own:
        environment = {**os.environ, **ENVIRONMENT, "TMPDIR": own, LINES: str(keep)}
        suite = [*PYTEST, "-p", "tests.mutants", "-n", str(WORKERS), "--dist", "loadfile", f"--junitxml={keep / 'times.part'}"]
        done = subprocess.run(suite, cwd=folder, env=environment, check=False)
    if done.returncode not in (0, 1):  # 1: some fail, and are left out
        raise SystemExit("the tests do not run")
    (keep / "times.part").rename(keep / "times.xml")


_coverage: coverage.Coverage | None = None


def pytest_configure(config: pytest.Config) -> None:
    """As a plugin of pytest in the processes that run tests: note which lines each test runs, in memory."""
    global _coverage
    if LINES in os.environ and hasattr(config, "workerinput"):
        _coverage = coverage.Coverage(data_file=None, source=[str(ROOT / "eoinas")], config_file=False)
        _coverage.start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a fixture runs serves every test of the file that asks for it."""
    if _coverage:
        _coverage.switch_context(f"{file_of(item.nodeid)}::")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """What the test itself runs."""
    if _coverage:
        _coverage.switch_context(item.nodeid)


def pytest_sessionfinish() -> None:
    """Write it down."""
    if _coverage:
        _coverage.stop()
        data = _coverage.get_data()
        lines = {str(Path(path).relative_to(ROOT)): data.contexts_by_lineno(path) for path in data.measured_files()}
        (Path(os.environ[LINES]) / f"lines.{os.getpid()}.json").write_text(json.dumps(lines))


def known(folder: Path, keep: Path) -> Tests:
    """What ``run_suite`` found."""
    listing = subprocess.run([*PYTEST, "--collect-only"], cwd=folder, capture_output=True, text=True, check=True).stdout
    collected, seconds = set(listing.split("\n")), {}
    for case in ElementTree.parse(keep / "times.xml").iter("testcase"):
        name = f"{case.get('classname').replace('.', '/')}.py::{case.get('name')}"
        if len(case) == 0 and name in collected:  # neither failed nor skipped, and its name can be given to pytest
            seconds[name] = float(case.get("time"))
    by_file = defaultdict(set)
    for name in seconds:
        by_file[file_of(name)].add(name)
    lines: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in keep.glob("lines.*.json"):
        for file, contexts_of in json.loads(path.read_text()).items():
            for line, contexts in contexts_of.items():
                for context in filter(None, contexts):
                    of_context = by_file[file_of(context)] if context.endswith("::") else {context} & seconds.keys()
                    lines[file][int(line)] |= of_context
    print(f"{len(seconds)} tests of {len(collected)} pass and are used", flush=True)
    return Tests(seconds, lines)


def in_annotation(mutation: MutationSpec) -> bool:
    """Whether it is the | of a type, which says nothing to a test."""
    if "Bit" not in mutation.operator_name:
        return False
    spans = []
    for node in ast.walk(ast.parse((ROOT / mutation.module_path).read_text())):
        for name in ("annotation", "returns"):
            if (part := getattr(node, name, None)) is not None:
                spans.append(((part.lineno, part.col_offset), (part.end_lineno, part.end_col_offset)))
    return any(start <= mutation.start_pos and mutation.end_pos <= end for start, end in spans)


def draw(database: WorkDB, count: int, seed: int) -> None:
    """Leave ``count`` mutations at random in the session."""
    with use_db(":memory:") as every:
        init(modules(), every, {})
        found = [item for item in every.work_items if OPERATORS.fullmatch(item.mutations[0].operator_name)]
    found = sorted((item for item in found if not in_annotation(item.mutations[0])), key=place)
    chosen = sorted(random.Random(seed).sample(found, count), key=place)
    print(f"{len(found)} mutations of {len(modules())} files, {count} drawn", flush=True)
    database.add_work_items(chosen)


def place(item: WorkItem) -> tuple:
    one = item.mutations[0]
    return str(one.module_path), one.start_pos, one.operator_name, one.occurrence


_folder: Path


def begin(folders: Path) -> None:
    """A worker takes the next copy that none has."""
    global _folder
    for number in range(WORKERS):
        try:
            (folders / f"{number}.taken").touch(exist_ok=False)
        except FileExistsError:
            continue
        _folder = folders / str(number)
        os.chdir(_folder)
        os.environ.update(ENVIRONMENT)
        return


def attempt(mutation: MutationSpec, tests: list[str]) -> WorkResult:
    """Make a mutation and run ``tests`` until one fails."""
    (_folder / "tests-to-run").write_text("\n".join(tests))
    command = [*PYTEST, "-x", "-q", "-p", "no:xdist", "@tests-to-run"]
    with tempfile.TemporaryDirectory() as own:
        os.environ["TMPDIR"] = own
        return mutate_and_test([mutation], shlex.join(command), 4 * LONGEST)


def carry_out(database: WorkDB, tests: Tests, folders: Path) -> None:
    """All mutations that have no result yet."""
    pending = {item.job_id: item.mutations[0] for item in database.pending_work_items}
    with ProcessPoolExecutor(WORKERS, initializer=begin, initargs=(folders,)) as pool:
        jobs = {}
        for job, mutation in pending.items():
            chosen = tests.of(mutation)
            jobs[pool.submit(attempt, mutation, chosen)] = job
        for job in tqdm(as_completed(jobs), "mutants", len(jobs), mininterval=5):
            database.set_result(jobs[job], job.result())


def change(result: WorkResult) -> str:
    """The lines of a difference."""
    lines = [line for line in result.diff.split("\n") if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return " → ".join(" ".join(line[1:].split()) for line in lines)


def rows(database: WorkDB) -> Iterator[dict]:
    """A row a mutation."""
    reasons = json.loads((ROOT / "tests/survivors.json").read_text())
    results = dict(database.results)
    for item in database.work_items:
        one, result = item.mutations[0], results[item.job_id]
        row = {"file": str(one.module_path), "change": change(result), "operator": one.operator_name.removeprefix("core/")}
        reason = reasons.get(f"{row['file']}: {row['change']}", "")
        yield {**row, "outcome": "killed" if result.is_killed else "equivalent" if reason else "survived", "reason": reason}


def report(found: list[dict], seed: int) -> str:
    """The page."""
    of = {name: [row for row in found if row["outcome"] == name] for name in ("killed", "equivalent", "survived")}
    text = [
        "# Mutants",
        "",
        f"{len(found)} mutations drawn at random (seed {seed}) from those that cosmic-ray makes of "
        f"{', '.join(f'`{name}`' for name in PLACES)}. A test failed for {len(of['killed'])}; "
        f"{len(of['equivalent'])} change nothing that can be told apart, for the reason given; "
        f"{len(of['survived'])} survive. Made by `make mutants`; which mutations there are stands in `tests/mutants.py`. "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}.",
    ]
    for name, title in (("survived", "Survivors"), ("equivalent", "Equivalent")):
        if of[name]:
            text += ["", f"## {title}", "", "| File | Change | Reason |", "| --- | --- | --- |"]
            for row in of[name]:
                change_of = row["change"].replace("|", "\\|")
                text.append(f"| `{row['file']}` | `{change_of}` | {row['reason']} |")
    return "\n".join(text) + "\n"


def main() -> None:
    given = sys.argv[1:3]
    count, seed = map(int, [*given, *("200", "0")[len(given) :]])
    everything = "".join(
        f"{name} {files.sha256(ROOT / name)}\n" for name in listed() if name.startswith(("eoinas/", "tests/test_"))
    )
    key = hashlib.sha256(f"{count} {seed} {everything}".encode()).hexdigest()[:16]
    keep = ROOT / ".scratch/mutants" / key
    folders = keep / "copies"
    shutil.rmtree(folders, ignore_errors=True)
    folders.mkdir(parents=True)
    for number in range(WORKERS):
        copy(folders / str(number))
    if not (keep / "times.xml").exists():
        run_suite(folders / "0", keep)
    tests = known(folders / "0", keep)
    with use_db(str(keep / "session.sqlite")) as database:
        if not database.num_work_items:
            draw(database, count, seed)
        carry_out(database, tests, folders)
        found = list(rows(database))
    shutil.rmtree(folders)
    page = report(found, seed)
    print(page)
    files.write_text(ROOT / "reports/mutants/README.md", page)
    formats.write_json(ROOT / "reports/mutants/mutants.json", found)
    good = sum(row["outcome"] != "survived" for row in found)
    if good < 0.95 * len(found):
        sys.exit(f"{len(found) - good} of {len(found)} survive")


if __name__ == "__main__":
    main()
