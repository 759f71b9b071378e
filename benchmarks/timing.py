"""How the benchmarks measure: works take turns (A B A B), medians stand with their quartiles, memory is a fresh process's peak.

Turns make the works share what else the machine does, so that a ratio, taken within each turn, is steadier than the times.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from eoinas import devices, formats

OUT = Path("reports/performance")
MEMORY = "memory"  # the command-line word with which a benchmark runs one work alone, for ``peak_memory``
Work = Callable[[int], object]  # called with the number of the turn


class Spread(NamedTuple):
    """A median with quartiles of n values."""

    median: float
    low: float
    high: float
    n: int

    def text(self, digits: int = 3) -> str:
        """``1.23 (1.20 to 1.31)``; of one value that alone."""
        if self.n == 1:
            return f"{self.median:.{digits}g}"
        numbers = [f"{value:.{digits}g}" for value in (self.median, self.low, self.high)]
        return f"{numbers[0]} ({numbers[1]} to {numbers[2]})"


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0], 1)
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(statistics.median(values), low, high, len(values))


def ratios(slow: Sequence[float], fast: Sequence[float]) -> Spread:
    """How many times faster, turn by turn; turns that one of them did not take are left out."""
    return spread([a / b for a, b in zip(slow, fast, strict=False)])


def threads() -> int:
    """Have torch use every core, or as many as BENCH_THREADS says, and return how many."""
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", len(os.sched_getaffinity(0)))))
    return torch.get_num_threads()


def interleave(works: dict[str, Work], turns: int, few: dict[str, int] | None = None) -> dict[str, list[float]]:
    """Seconds of each work in each turn, after a turn that is not counted.

    Args:
        turns: how often each runs.
        few: of slow works how many turns they take, at least one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns + 1):
        for name, work in works.items():
            if turn > (few or {}).get(name, turns):
                continue
            start = time.perf_counter()
            work(turn)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return seconds


@contextmanager
def reproducible(on: bool) -> Iterator[None]:
    """Deterministic operators as in the stages, or torch's defaults, which the plain references run with."""
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("error" if on else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # as devices.device has it
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def peak_memory(module: str, *case: str) -> float:
    """MB (2**20 bytes) by which ``python -m MODULE memory CASE...``, a fresh process, grows above its imports at its peak."""
    command = [sys.executable, "-m", module, MEMORY, *case]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def print_growth(make: Callable[[], Work], turns: int) -> None:
    """Run a work and print how far the peak of the resident memory rose above what the process had with its imports, in MB."""
    before = resident()
    work = make()
    for turn in range(turns):
        work(turn)
    print(peak() - before)


def resident() -> float:
    """Memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def peak() -> float:
    """The most that this process has had in memory, in MB.

    Not getrusage's ru_maxrss: Linux hands it down to a process that is started, and a benchmark with its networks starts these.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024


class Target(NamedTuple):
    """A promise and what was measured."""

    what: str
    measured: Spread
    bound: float
    at_least: bool = True
    unit: str = "x"

    @property
    def met(self) -> bool:
        """By the median."""
        return self.measured.median >= self.bound if self.at_least else self.measured.median <= self.bound

    def plain(self) -> dict:
        """As JSON values."""
        return {**self._asdict(), "measured": self.measured._asdict(), "met": self.met}


class Report:
    """What a benchmark found: a table, the promises, and remarks; printed as Markdown and written as JSON.

    Args:
        name: of the file in reports/performance.
        title: one line. settings: what was run, e.g. batch and dtype.
    """

    def __init__(self, name: str, title: str, **settings: object):
        self.name, self.title, self.settings = name, title, settings
        self.columns: list[str] = []
        self.rows: list[list[str]] = []
        self.targets: list[Target] = []
        self.remarks: list[str] = []
        self.data: object = None  # numbers for a plot
        self._start = time.perf_counter()

    def row(self, **cells: object) -> None:
        """A line of the table; floats are printed to three digits."""
        self.columns = list(cells)
        self.rows.append([f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells.values()])

    def target(self, what: str, measured: Spread, bound: float, at_least: bool = True, unit: str = "x") -> None:
        """A promise, met or not."""
        self.targets.append(Target(what, measured, bound, at_least, unit))

    def write(self) -> None:
        """Print, and write reports/performance/NAME.json."""
        value = {
            "title": self.title,
            "machine": machine(),
            "settings": self.settings,
            "columns": self.columns,
            "rows": self.rows,
            "targets": [target.plain() for target in self.targets],
            "remarks": self.remarks,
            "data": self.data,
            "seconds": round(time.perf_counter() - self._start, 1),
        }
        formats.write_json(OUT / f"{self.name}.json", value)
        print(markdown(json.loads(json.dumps(value))), flush=True)


def machine() -> dict[str, object]:
    """What the numbers depend on beside the code."""
    return {
        "device": devices.device_name(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "load of the machine at the end": round(os.getloadavg()[0], 1),
    }


def markdown(value: dict) -> str:
    """A benchmark's JSON as a section."""
    where = {**value["settings"], **value["machine"]}
    lines = [f"## {value['title']}", "", "; ".join(f"{name} {setting}" for name, setting in where.items()), ""]
    lines += [*table(value["columns"], value["rows"]), ""]
    if value["targets"]:
        lines += [*table(TARGET_COLUMNS, target_rows(value["targets"])), ""]
    return "\n".join(lines + [f"* {remark}" for remark in value["remarks"]])


TARGET_COLUMNS = ("target", "bound", "measured: median (quartiles)", "n", "")


def target_rows(targets: list[dict]) -> list[list[str]]:
    """Lines of a table of promises."""
    rows = []
    for target in targets:
        bound = f"{'>=' if target['at_least'] else '<='} {target['bound']:g} {target['unit']}"
        measured = Spread(**target["measured"])
        rows.append([target["what"], bound, measured.text(), str(measured.n), "met" if target["met"] else "**missed**"])
    return rows


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Lines of a Markdown table."""
    columns = list(columns)
    return [f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *rows)]
