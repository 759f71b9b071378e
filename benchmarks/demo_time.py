"""How long the demo's stages take to start: ``python -m benchmarks.demo_time [repro]``.

Works in a copy of the project. Every training stage is started as DVC starts it and ended before its first step; every table and
figure is imported, or run whole if ``results/demo`` is there to run it on. ``repro`` runs the whole demo instead, a quarter of an
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

from benchmarks import timing
from eoinas import formats, genotype

SCALE, TURNS = "demo", 3
CELL = "data/genotypes/eoinas_cifar.json"
DATA = ("data_cifar10", "data_cifar100", "data_imagenet", "data_cityscapes")
TRAINING = {
    "search": ("eoinas", "0-3"),
    "random_cells": (),
    "retrain": ("cifar10", "eoinas", "0-9"),
    "standalone": ("0-7",),
    "imagenet": ("eoinas",),
    "seg_search": (),
    "seg_pretrain": ("eoinas",),
    "seg_train": ("eoinas", "scratch"),
}
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
    """The files that Git knows, and the demo's results if they are there."""
    names = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if Path(name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, folder / name)
    for name in (f"results/{SCALE}", f"data/prepared/{SCALE}"):
        if Path(name).exists():
            shutil.copytree(name, folder / name)


def give_cells(folder: Path) -> None:
    """The files with the cells that trainings start from, where the copy has no results."""
    cell = genotype.plain(genotype.load(CELL))
    found = {"genotypes/eoinas.json": cell}
    for place in ("entries/cifar10", "entries/imagenet", "seg_entries"):
        found[f"{place}/eoinas.json"] = {"cell": cell, "cutout": 16}
    for name, value in found.items():
        if not (path := folder / f"results/{SCALE}" / name).exists():
            formats.write_json(path, value)


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
    for stage, items in TRAINING.items():
        command = ["-c", FIRST_STEP, stage, SCALE, *items]
        found = [seconds(folder, command, STEPPED) for _ in range(TURNS)]
        row(report, stage, "until the first step", found, 2.5)


def tables(folder: Path, report: timing.Report) -> None:
    """Tables and figures, whole or their imports."""
    whole = (folder / f"results/{SCALE}/timing").exists()
    for path in sorted(Path("stages").glob("*.py")):
        if path.stem.startswith(("table_", "fig_")) or path.stem == "report":
            command = ["-m", f"stages.{path.stem}", SCALE] if whole else ["-c", f"import stages.{path.stem}"]
            found = [seconds(folder, command) for _ in range(TURNS)]
            row(report, path.stem, "whole" if whole else "imports alone", found, 3 if whole else None)


def row(report: timing.Report, stage: str, what: str, found: list[float], bound: float | None) -> None:
    """A stage's line and, where the whole of it was measured, its promise."""
    report.row(stage=stage, what=what, seconds=timing.spread(found).text(), n=len(found))
    if bound:
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
    report.target("the whole demo", timing.spread([total]), 8, False, "minutes")
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
                "imagenet and seg_pretrain import timm's transforms of photographs, with them torchvision and torch's compiler."
            ]
            give_cells(folder)
            for stage in DATA:
                seconds(folder, ["-m", f"stages.{stage}", SCALE])
        for work in works:
            work(folder, report)
    report.write()


if __name__ == "__main__":
    main()
