"""How long the demo's stages take to start: ``python -m benchmarks.demo_time [repro]``.

Works in a copy of the project and of results/demo, which `make repro` makes. Every training stage is started as DVC starts it and
ended before its first step; every table, figure and page is made whole. ``repro`` runs the whole demo instead, a quarter of an
hour, and writes the wall time of each stage.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks import timing

SCALE, TURNS = "demo", 3
LOCK = Path("dvc.lock")
TRAINING = (
    *("search", "bench_search", "random_cells", "retrain", "standalone", "imagenet", "seg_search", "seg_pretrain", "seg_train"),
)
# Runs a stage and leaves with code 7 when data and network are there and the loop over the steps is about to begin.
FIRST_STEP = """
import os, runpy, sys
stage = sys.argv[1]
sys.argv = [stage, *sys.argv[2:]]
from eoinas import runlog
runlog.RunLog.__init__ = lambda *_, **__: os._exit(7)
runpy.run_module(f"stages.{stage}", run_name="__main__")
"""
STEPPED = 7


def copy_project(folder: Path) -> None:
    """The files that Git knows, and the demo's results."""
    names = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if Path(name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, folder / name)
    for name in (f"results/{SCALE}", f"data/prepared/{SCALE}"):
        if not Path(name).exists():
            sys.exit(f"error: {name}: no such folder; run `make repro` with `scale: {SCALE}` first")
        shutil.copytree(name, folder / name)


def commands() -> dict[str, list[str]]:
    """What dvc.lock runs of each script at this scale, by the script: of several stages one of the whole method."""
    found: dict[str, list[str]] = {}
    for name, stage in sorted(
        yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"].items(), key=lambda item: "eoinas" not in item[0]
    ):
        words = stage["cmd"].split()
        if name.partition("@")[2].split("-")[0] == SCALE:
            found.setdefault(words[2].removeprefix("stages."), words[3:])
    return found


def seconds(folder: Path, command: list[str], code: int = 0) -> float:
    """Wall time of a process in the copy."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "DVC_ROOT": str(folder)}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode != code:
        raise RuntimeError(f"{' '.join(command[-3:])} ended with {done.returncode}: {done.stderr[-500:]}")
    return time.perf_counter() - start


def start_up(folder: Path, report: timing.Report) -> None:
    """The training stages, until their first step begins; nothing is left of a run, so that the next one starts anew."""
    known = commands()
    for stage in TRAINING:
        command = ["-c", FIRST_STEP, stage, *known[stage]]
        found = [seconds(folder, command, STEPPED) for _ in range(TURNS)]
        row(report, stage, "until the first step", found, 2.5)


def tables(folder: Path, report: timing.Report) -> None:
    """Tables, figures and pages, whole."""
    for stage, items in sorted(commands().items()):
        if stage.startswith(("table_", "fig_")) or stage in ("findings", "report"):
            row(report, stage, "whole", [seconds(folder, ["-m", f"stages.{stage}", *items]) for _ in range(TURNS)], 3)


def row(report: timing.Report, stage: str, what: str, found: list[float], bound: float) -> None:
    """A stage's line and its promise."""
    report.row(stage=stage, what=what, seconds=timing.spread(found).text(), n=len(found))
    report.target(f"{stage}: {what}", timing.spread(found), bound, False, "s")


def repro(folder: Path, report: timing.Report) -> None:
    """The whole demo by ``dvc repro``: a stage lasts from the line that names it to the next one's."""
    shutil.rmtree(folder / f"results/{SCALE}", ignore_errors=True)
    commands = (["git", "init", "-q"], ["dvc", "--wait-for-lock", "repro", "--force", "--no-run-cache"])
    subprocess.run(commands[0], cwd=folder, check=True)
    begun = last = time.perf_counter()
    name, found = "dvc's start", {}
    with subprocess.Popen(commands[1], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout:
            if line.startswith("Running stage"):
                now = time.perf_counter()
                found[name], name, last = now - last, line.split("'")[1], now
    found[name] = time.perf_counter() - last
    for stage, spent in sorted(found.items(), key=lambda item: -item[1]):
        report.row(stage=stage, seconds=spent)
    total = (time.perf_counter() - begun) / 60
    report.remarks = [f"{total:.2f} minutes in all."]
    if process.returncode:
        raise RuntimeError(f"dvc repro ended with {process.returncode}")


def main() -> None:
    whole = sys.argv[1:] == ["repro"]
    title = "The demo's wall time by stage" if whole else "Start-up of the demo's stages"
    report = timing.Report("demo_wall" if whole else "demo_time", title, scale=SCALE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        works: tuple[Callable[[Path, timing.Report], None], ...] = (repro,) if whole else (start_up, tables)
        if not whole:
            report.remarks = [
                "torch.optim brings torch's compiler with its first optimizer, two seconds; the searches make theirs before the "
                "first step. imagenet and seg_pretrain import timm's transforms of photographs, with them torchvision."
            ]
        for work in works:
            work(folder, report)
    report.write()


if __name__ == "__main__":
    main()
