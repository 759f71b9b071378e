"""The first minutes on a GPU: ``make gpu`` or ``python -m benchmarks.gpu [--out FOLDER] [--minutes N] [--toy] [PART ...]``.

Says whether the stages write equal bytes there (``benchmarks.gpu_stages``), times the steps of all trainings at the paper's size
(``benchmarks.gpu_steps``), alone and several searches at once, and works out GPU-hours. Needs neither DVC nor Git nor a network.
What is known so far is in README.md and gpu.json of the folder at any moment: a part that fails leaves its error there, and when
the minutes are used up what is left is skipped. Without a GPU, or with ``--toy``, the same runs at demo size on the CPU, in
another folder, and says only that this script works.
"""

import argparse
import datetime
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks import gpu_stages, gpu_steps, timing, work
from benchmarks.gpu_steps import ALONE, COMPILED, DEFAULT, MARK, PLAIN, STAGES
from eoinas import files, formats

OUT, TOY_OUT = Path("reports/gpu"), Path(".scratch/gpu-toy")
TITLE, TOY_TITLE = "First minutes on a GPU", "Toy run on a CPU: says only that the script works, nothing about a GPU"
MINUTES = 9.0
PACKAGES = ("torch", "torchvision", "timm", "triton", "numpy", "pydantic", "safetensors", "pillow")
FEWEST = 5.0  # seconds that a part needs at least


class Size(NamedTuple):
    """How much is done, on a GPU or as a toy."""

    scale: str
    steps: int  # that are timed together
    rounds: int
    stages: tuple[str, ...]
    searches: tuple[int, ...]  # at once
    seconds: float  # that they run


GPU = Size("paper", 8, 5, tuple(stage for stage in STAGES if stage != COMPILED), (1, 2, 4, 8), 5.0)
OURS = "fast, one operation"  # of the plain loops' versions, the one that the others are held against
TOY = Size("demo", 1, 1, ("seg_search", "retrain:default", "imagenet:default"), (1,), 0.2)


class Run:
    """A run: its budget, and what it has found, which is written whenever it grows.

    Args:
        out: folder of README.md and gpu.json.
        minutes: the budget.
    """

    def __init__(self, out: Path, minutes: float, toy: bool):
        self.out, self.minutes, self.toy, self.size = out.resolve(), minutes, toy, TOY if toy else GPU
        self._start, self._lock = time.monotonic(), threading.Lock()
        self.value: dict = {"title": TOY_TITLE if toy else TITLE, "toy": toy, "minutes": minutes, "machine": machine()}
        self.value["parts"] = {}

    def deadline(self, share: float) -> float:
        """When so much of the budget is used up, by the monotonic clock."""
        return self._start + 60 * self.minutes * share

    def write(self) -> None:
        """Both files."""
        with self._lock:
            self.value["seconds"] = round(time.monotonic() - self._start, 1)
            formats.write_json(self.out / "gpu.json", self.value)
            files.write_text(self.out / "README.md", page(self.value))

    def part(self, name: str, action: "Part", share: float) -> None:
        """Do a part in the time that is left to it; an error is kept and ends the part alone."""
        found: dict = {"status": "under way", "rows": []}
        self.value["parts"][name] = found
        start = time.monotonic()
        if self.deadline(share) - start < FEWEST and action is not hours:
            found["status"] = f"skipped: the budget of {self.minutes:g} minutes is used up"
            return self.write()
        self.write()
        try:
            action(self, found, self.deadline(share))
            found["status"] = "done"
        except TimeoutError:
            found["status"] = f"cut off: its share of the {self.minutes:g} minutes is used up"
        except Exception as error:
            found["status"] = f"failed: {gpu_steps.one_line(error)}"
        found["seconds"] = round(time.monotonic() - start, 1)
        self.write()
        print(f"{name}: {found['status']}, {found['seconds']} s", flush=True)


Part = Callable[[Run, dict, float], None]  # the run, what is found, and the deadline


def machine() -> dict[str, object]:
    """What the numbers depend on, as far as it is known without the GPU being touched."""
    found: dict[str, object] = {"date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")}
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,power.limit,clocks.max.sm", "--format=csv,noheader"]
    try:
        text = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True).stdout
        found |= {"GPUs": "; ".join(text.split("\n")).strip("; ")}
    except (OSError, subprocess.SubprocessError):
        found |= {"GPUs": "nvidia-smi does not answer"}
    found |= {"python": platform.python_version(), "CUDA": torch.version.cuda}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    found |= {"torch": torch.__version__, "cores": len(os.sched_getaffinity(0))}
    return found


def reproducible(run: Run, found: dict, deadline: float) -> None:
    """Every training stage twice, and stopped and resumed."""

    def update(rows: list[dict]) -> None:
        found["rows"] = rows
        run.write()

    gpu_stages.check(run.toy, deadline, update)
    if any(row.get("error") == "no time left" for row in found["rows"]):
        raise TimeoutError


class Child:
    """``python -m benchmarks.gpu_steps ARGUMENTS``, killed at the deadline; iterated over, what it says until it ends.

    A process of its own, so that this one needs no GPU, and neither a crash nor a hang there is the end of the run.
    """

    def __init__(self, arguments: list[str], deadline: float, **environment: str):
        self._deadline, self._log = deadline, tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.gpu_steps", *arguments],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            errors="replace",
        )
        self._timer = threading.Timer(max(0.0, deadline - time.monotonic()), self._process.kill)
        self._timer.start()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def __iter__(self) -> Iterator[dict]:
        for line in self._process.stdout:
            if line.startswith(MARK):
                yield json.loads(line.removeprefix(MARK))
        code = self._process.wait()
        if time.monotonic() >= self._deadline:
            raise TimeoutError
        if code:
            self._log.seek(0)
            lines = self._log.read().strip().splitlines() or [""]
            raise RuntimeError(f"a process ended with {code}: {lines[-1]}")

    def tell(self, line: str) -> None:
        """A line of its input."""
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def answer(self) -> dict:
        """The next that it says."""
        return next(iter(self), {})


def measure(run: Run, found: dict, deadline: float, stages: tuple[str, ...], rounds: int) -> None:
    """What a process that times steps says becomes rows."""
    found["profiles"] = {}
    with Child(["measure", run.size.scale, str(run.size.steps), str(rounds), *stages], deadline) as child:
        for each in child:
            if "machine" in each:
                run.value["machine"] |= each["machine"]
            elif "profile" in each:
                found["profiles"][each["stage"]] = each["profile"]
            else:
                found["rows"].append(each)
            run.write()


def steps(run: Run, found: dict, deadline: float) -> None:
    """The steps of every training, one factor at a time."""
    measure(run, found, deadline, run.size.stages, run.size.rounds)


def compiled(run: Run, found: dict, deadline: float) -> None:
    """The training step by torch.compile, in a process of its own and last, for nobody knows how long it compiles."""
    measure(run, found, deadline, (COMPILED,), 2)


def together(run: Run, found: dict, deadline: float) -> None:
    """Several searches as processes on one GPU, without and with MPS."""
    at_once(run, found, deadline, "no")
    if run.toy:
        return
    try:
        with mps() as (environment, ask):
            at_once(run, found, deadline, "yes", **environment)
            if not ask("get_server_list").strip():
                found["remarks"] = ["The MPS daemon had no server: the rows with MPS ran without it."]
    except (RuntimeError, FileNotFoundError, subprocess.SubprocessError) as error:
        found["remarks"] = [f"MPS was not measured: {gpu_steps.one_line(error)}."]


def at_once(run: Run, found: dict, deadline: float, name: str, **environment: str) -> None:
    """Start as many searches as there will be, and have 1, 2, 4 ... of them run while the others wait."""
    with ExitStack() as stack:
        arguments = ["serve", run.size.scale]
        searches = [stack.enter_context(Child(arguments, deadline, **environment)) for _ in range(run.size.searches[-1])]
        for each in searches:
            each.answer()  # it is ready
        for count in run.size.searches:
            for each in searches[:count]:
                each.tell(str(run.size.seconds))
            done = [each.answer() for each in searches[:count]]
            rate = sum(each["steps"] / each["seconds"] for each in done)
            found["rows"].append({"MPS": name, "searches": count, "steps a second": rate})
            run.write()


@contextmanager
def mps() -> Iterator[tuple[dict[str, str], Callable[[str], str]]]:
    """NVIDIA's multi-process service, started privately: the environment of its clients, and what asks its daemon.

    Raises:
        FileNotFoundError, subprocess.SubprocessError: it is not there, or does not start.
    """
    control = "nvidia-cuda-mps-control"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        environment = {f"CUDA_MPS_{kind}_DIRECTORY": f"{name}/{kind}" for kind in ("PIPE", "LOG")}
        for folder in environment.values():
            Path(folder).mkdir()
        options = {"env": os.environ | environment, "check": True, "text": True, "timeout": 30, "stderr": subprocess.DEVNULL}

        def ask(line: str) -> str:
            return subprocess.run([control], input=f"{line}\n", stdout=subprocess.PIPE, **options).stdout

        subprocess.run([control, "-d"], stdout=subprocess.DEVNULL, **options)  # a pipe would stay open as long as the daemon runs
        try:
            # A client counts the devices that the daemon sees, and that is one.
            yield {**environment, "CUDA_VISIBLE_DEVICES": "0"}, ask
        finally:
            ask("quit")


def hours(run: Run, found: dict, _deadline: float) -> None:
    """GPU-hours of the stages from what was measured."""
    seconds, batch = medians(run.value["parts"]), batches(run.value["parts"])
    rows = work.rows(run.size.scale, partial(price, seconds, batch))
    found["rows"] = [hours_of(row, seconds) for row in rows]


def findings(parts: dict) -> list[dict]:
    """All rows of timed steps."""
    rows = [row for name in ("steps", "compiled") for row in parts.get(name, {}).get("rows", [])]
    return [row for row in rows if "seconds" in row]


def medians(parts: dict) -> dict[tuple[str, str], float]:
    """Seconds of a step, by stage and variant; of the training step what ``steps`` timed, and else what ``compiled`` did."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in findings(parts):
        found.setdefault((row["stage"], row["variant"]), []).append(row["seconds"])
    compiled = {("retrain", variant): values for (stage, variant), values in found.items() if stage == COMPILED}
    return {key: statistics.median(values) for key, values in (compiled | found).items()}


def batches(parts: dict) -> dict[str, int]:
    """Images of a step, by stage."""
    return {row["stage"]: row["batch"] for row in findings(parts)}


def timed_as(stage: str) -> str:
    """The stage whose step was timed for this one's: trainings on CIFAR have the same, masking runs a search's supernet."""
    if stage == "bench_masked":
        return "bench_search"
    return "retrain" if stage.startswith("retrain") or stage == "standalone" else stage


def price(seconds: dict, batch: dict, stage: str, _count: object) -> work.Pair:
    """Seconds of an image, as ``work.rows`` asks for them; not a number where nothing was measured.

    An evaluated image counts as a third of a trained one, and, unless it was measured, a weight step as 3/5 of both steps.
    """
    stage = timed_as(stage)
    whole = seconds.get((stage, DEFAULT), math.nan) / batch.get(stage, 1)
    if "search" in stage:
        weights = seconds[stage, ALONE] / batch[stage] if (stage, ALONE) in seconds else 0.6 * whole
        return weights, whole - weights
    return whole, whole if stage == "seg_evaluate" else whole / 3


def hours_of(row: work.Row, seconds: dict) -> dict:
    """A stage's hours as it runs by default, and with the fastest variant."""
    if math.isnan(row.total):
        return {"stage": row.stage, "runs": row.count}
    stage = timed_as(row.stage)
    times = {variant: value for (name, variant), value in seconds.items() if name == stage and variant != ALONE}
    fastest = min(times, key=times.__getitem__)
    hours = row.total * row.count / 3600
    found = {"stage": row.stage, "runs": row.count, "ms a step": 1000 * row.step, "hours": hours}
    return {**found, "fastest": fastest, "hours with that": hours * times[fastest] / times[DEFAULT]}


# Name: what is done, its share of the budget (what a part leaves over, the next may have), and its heading.
PARTS: dict[str, tuple[Part, float, str]] = {
    "stages": (reproducible, 32, "Equal bytes: twice, and after a stop"),
    "steps": (steps, 34, "Steps at the size of scale {scale}"),
    "together": (together, 20, "Several searches at once"),
    "compiled": (compiled, 13, "The training step by torch.compile"),
    "hours": (hours, 1, "GPU-hours of scale {scale}"),
}
TOY_PARTS = ("stages", "steps", "together", "hours")


def do(run: Run, names: Sequence[str]) -> None:
    """The parts with these names, each in its share of the budget."""
    whole, used = sum(PARTS[name][1] for name in names), 0.0
    for name in names:
        used += PARTS[name][1]
        run.part(name, PARTS[name][0], used / whole)


def page(value: dict) -> str:
    """README.md."""
    scale = (TOY if value["toy"] else GPU).scale
    lines = [f"# {value['title']}", "", "Written by `python -m benchmarks.gpu`.", ""]
    lines += ["; ".join(f"{name} {setting}" for name, setting in value["machine"].items()), ""]
    lines += [f"{value['seconds']:g} s of {value['minutes']:g} minutes used.", ""]
    for name, part in value["parts"].items():
        status = part["status"]
        lines += [f"## {PARTS[name][2].format(scale=scale)}", "", f"{status[0].upper()}{status[1:]}.", ""]
        lines += [*TABLES[name](part), *(f"* {remark}" for remark in part.get("remarks", [])), ""]
    return "\n".join(lines)


def stages_table(part: dict) -> list[str]:
    """Of the part ``stages``."""
    rows = []
    for row in part["rows"]:
        counts = [str(row.get(key, "")) for key in ("seconds", "files")]
        same = [verdict(row.get(key)) for key in ("twice", "resumed")]
        refused = ", ".join(row.get("refused", [])) or ("none" if "files" in row else "")
        rows.append([row["stage"], *counts, *same, refused, row.get("error", "")])
    columns = ["stage", "seconds", "files", "two runs", "stopped and resumed", "refused as not deterministic", "error"]
    note = "The stages at scale demo, several side by side, which their seconds show. Wall times are not compared."
    return [*timing.table(columns, rows), "", note]


def verdict(differing: list[str] | None) -> str:
    """Of a comparison."""
    if differing is None:
        return ""
    return f"**differ**: {', '.join(differing)}" if differing else "equal"


def steps_table(part: dict) -> list[str]:
    """Of the parts ``steps`` and ``compiled``."""
    cases: dict[tuple[str, str], list[dict]] = {}
    for row in part["rows"]:
        cases.setdefault((row["stage"], row["variant"]), []).append(row)
    base = {stage: cases.get((stage, OURS if stage == PLAIN else DEFAULT), []) for stage, _ in cases}
    rows = [
        [stage, "not compiled" if (stage, variant) == (COMPILED, DEFAULT) else variant, *step_cells(found, base[stage])]
        for (stage, variant), found in cases.items()
    ]
    columns = ["stage", "variant", "ms a step: median (quartiles)", "n", "times faster than default", "images a second", "MB"]
    columns.append("weights in all rounds")
    lines = timing.table(columns, sorted(rows, key=lambda row: list(STAGES).index(row[0])))
    if part.get("profiles"):
        lines += [
            "",
            *timing.table(["stage", "kernels a step", "ms that they run", "the longest"], profile_rows(part["profiles"])),
        ]
    return lines


def step_cells(found: list[dict], default: list[dict]) -> list[str]:
    """What was measured of a variant."""
    times = {row["turn"]: row["seconds"] for row in found if "seconds" in row}
    if not times:
        return [found[-1]["error"], "0", "", "", "", ""]
    base = {row["turn"]: row["seconds"] for row in default if "seconds" in row}
    ratios = [base[turn] / seconds for turn, seconds in times.items() if turn in base]
    spread = timing.spread([1000 * seconds for seconds in times.values()])
    speed = found[0]["batch"] / statistics.median(times.values())
    memory = f"{max(row.get('MB', 0) for row in found):.0f}" if "MB" in found[0] else ""
    times_faster = timing.spread(ratios).text() if ratios else ""
    return [spread.text(), str(spread.n), times_faster, f"{speed:.4g}", memory, equal_weights(found)]


def equal_weights(found: list[dict]) -> str:
    """Whether all rounds of a variant that did as many steps ended with the same weights."""
    digests: dict[int, list[str]] = {}
    for row in found:
        if row.get("digest"):
            digests.setdefault(row["steps"], []).append(row["digest"])
    several = [values for values in digests.values() if len(values) > 1]
    if not several:
        return ""
    return "equal" if all(len(set(values)) == 1 for values in several) else "differ"


def profile_rows(profiles: dict) -> list[list[str]]:
    """Where the time of a step goes."""
    rows = []
    for stage, found in profiles.items():
        longest = "; ".join(f"{each['ms']:.3g} ms {each['name'].replace('|', '/')[:60]}" for each in found["top"][:3])
        rows.append([stage, f"{found['calls']:.0f}", f"{1000 * found['busy']:.3g}", longest])
    return rows


def together_table(part: dict) -> list[str]:
    """Of the part ``together``."""
    rates = [row["steps a second"] for row in part["rows"]]
    rows = [
        [row["MPS"], str(row["searches"]), f"{rate:.4g}", f"{rate / rates[0]:.3g}"]
        for row, rate in zip(part["rows"], rates, strict=True)
    ]
    return timing.table(["MPS", "searches", "steps a second in all", "times one search without MPS"], rows)


def hours_table(part: dict) -> list[str]:
    """Of the part ``hours``."""
    rows = []
    for row in part["rows"]:
        numbers = [f"{row[key]:,.4g}" if key in row else "not measured" for key in ("ms a step", "hours", "hours with that")]
        rows.append([row["stage"], str(row["runs"]), *numbers[:2], row.get("fastest", ""), numbers[2]])
    columns = ["stage", "runs", "ms a step", "hours in all", "fastest variant", "hours with that"]
    note = (
        "Steps times their median; an evaluated image counts as a third of a trained one. Reading of files is not in it, nor is "
        "what several searches at once gain."
    )
    return [*timing.table(columns, rows), "", note]


TABLES = {
    "stages": stages_table,
    "steps": steps_table,
    "together": together_table,
    "compiled": steps_table,
    "hours": hours_table,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless told")
    parser.add_argument("--out", type=Path, help=f"folder for README.md and gpu.json; {OUT}, of a toy run {TOY_OUT}")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="the budget; what is left then is skipped")
    parser.add_argument("--toy", action="store_true", help="demo size on the CPU, as where there is no GPU")
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}; one of {', '.join(PARTS)}")
    toy = given.toy or not torch.cuda.is_available()
    first, *_ = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")
    os.environ["CUDA_VISIBLE_DEVICES"] = "" if toy else first  # one GPU, for the processes that are started
    run = Run(given.out or (TOY_OUT if toy else OUT), given.minutes, toy)
    do(run, given.parts or (TOY_PARTS if toy else tuple(PARTS)))
    print(page(run.value))


if __name__ == "__main__":
    main()
