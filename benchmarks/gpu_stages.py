"""Whether the stages keep their promise on this device, for ``benchmarks.gpu``: equal bytes twice, and after a stop.

The scripts of the stages run as DVC would start them, at scale demo, in a folder of their own. SIGTERM comes after a quarter of
the epochs. An operator that torch's deterministic mode refuses ends a stage; it then runs with that mode told to warn, so that
all of them come to light, and is compared so.

``python -m benchmarks.gpu_stages STAGE ARGUMENTS`` runs a stage in that mode.
"""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from typing import NamedTuple

import yaml

from eoinas import entries, files, formats
from eoinas.code import ROOT
from stages import data, data_cityscapes, data_imagenet, settings
from stages import entries as entries_stage

SCALE, STOPPED = "demo", 143
REFUSED = re.compile(r"(\S+) does not have a deterministic implementation")
EPOCH = re.compile(r": epoch (\d+)/(\d+) ")
CELL, STREETS = "data/genotypes/eoinas_cifar.json", "data/genotypes/eoinas_cityscapes.json"
READERS = {"workers": 2}  # of the stages that read files
# Of params.yaml: one search, one training; cells that are there already, so that no stage waits for another's.
CHANGES = {
    "entries": {"cifar10-published": {"genotype": CELL, "cutout": 16}},
    "imagenet_entries": {"published": {"genotype": CELL}},
    "cityscapes_entries": {"published": {"genotype": STREETS}},
    "repeats": {"searches": 1, "retrainings": 1, "per_seed": 1},
}


class Stage(NamedTuple):
    """A stage with its arguments after the scale, and the folder that it writes."""

    name: str
    arguments: str
    out: str
    trains: bool = True  # can be stopped in the middle

    @property
    def command(self) -> list[str]:
        return [f"stages.{self.name}", SCALE, *self.arguments.split()]


RETRAIN = Stage("retrain", "cifar10-published 0-9", "retrain/cifar10-published/0-9")
# What stands in one line runs one after the other, the lines side by side.
LINES = (
    (Stage("search", "cifar10 eoinas 0-3", "search/eoinas/0-3"), Stage("derive", "cifar10 eoinas", "derive/eoinas", False)),
    (Stage("seg_search", "", "seg_search"),),
    (RETRAIN,),
    (Stage("imagenet", "published", "imagenet/published"),),
    (
        Stage("seg_train", "published scratch", "seg_train/published/scratch"),
        Stage("seg_evaluate", "published scratch", "seg_evaluate/published/scratch", False),
    ),
    (Stage("standalone", "cifar10 eoinas sep_conv_3x3", "standalone/sep_conv_3x3"),),
    (Stage("random_cells", "cifar10", "derive/random"),),
    (Stage("seg_pretrain", "published", "seg_pretrain/published"),),
)
TOY = ((RETRAIN,),)


def environment(folder: Path) -> dict[str, str]:
    """Of a process that works in ``folder`` with the project's code."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "DVC_ROOT": str(folder), "OMP_NUM_THREADS": "1"}


def parameters(toy: bool) -> dict:
    """params.yaml with CHANGES."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    values |= {name: change for name, change in CHANGES.items() if name != "repeats"}
    values[SCALE]["repeats"] = CHANGES["repeats"]
    if toy:
        values[SCALE]["retrain"] |= {"C": 2, "epochs": 4, "epoch_images": 64}
    else:
        values["machine"][SCALE] |= dict.fromkeys(("imagenet", "seg_train"), READERS)
    return values


def prepare(folder: Path, toy: bool) -> None:
    """What the stages at scale demo start from, by the scripts of the stages before them."""
    shutil.copytree(ROOT / "data/genotypes", folder / "data/genotypes")
    (folder / "params.yaml").write_text(yaml.safe_dump(parameters(toy), sort_keys=False), encoding="utf-8")
    with chdir(folder):
        inputs(toy)


def inputs(toy: bool) -> None:
    """In the present folder."""
    settings.main(SCALE)
    data.main(SCALE, "cifar10")
    if not toy:
        data_imagenet.main(SCALE)
        data_cityscapes.main(SCALE)
    formats.write_json(f"results/{SCALE}/genotypes/eoinas.json", formats.read_json(CELL))
    entries_stage.main(SCALE)
    streets = entries.resolve("cityscapes_entries", entries.Entry(genotype=STREETS), {})
    formats.write_json(f"results/{SCALE}/seg_entries/published.json", streets)


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    seconds: float
    text: str

    @property
    def error(self) -> str:
        """The last line of what it said."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        return f"exit code {self.code}: {lines[-1] if lines else ''}"[:400].replace("|", "/")


def run(command: list[str], folder: Path, deadline: float, stop: bool = False) -> Ended:
    """``python -m COMMAND`` in ``folder``, killed at the deadline; with ``stop`` it gets SIGTERM after a quarter of the epochs.

    Raises:
        TimeoutError: it was killed.
    """
    start, lines = time.monotonic(), []
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    timer = threading.Timer(max(0.0, deadline - start), process.kill)
    timer.start()
    try:
        for line in process.stdout:
            lines.append(line)
            epoch = EPOCH.search(line)
            if stop and epoch and 4 * int(epoch[1]) >= int(epoch[2]):
                process.terminate()
                stop = False
        code = process.wait()
    finally:
        timer.cancel()
    if time.monotonic() >= deadline:
        raise TimeoutError
    return Ended(code, time.monotonic() - start, "".join(lines))


def outputs(folder: Path) -> dict[str, str]:
    """Hash of every file; wall times lie elsewhere."""
    return {str(path.relative_to(folder)): files.sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()}


class Check:
    """The runs of a stage, and a row of what they showed."""

    def __init__(self, stage: Stage, folder: Path, deadline: float):
        self.stage, self.folder, self.deadline, self.command = stage, folder, deadline, stage.command
        self.row: dict = {"stage": stage.name}

    def once(self, stop: bool = False, fresh: bool = True) -> Ended:
        """A run; DVC deletes what the one before wrote."""
        if fresh:
            shutil.rmtree(self.out, ignore_errors=True)
        return run(self.command, self.folder, self.deadline, stop)

    @property
    def out(self) -> Path:
        return self.folder / "results" / SCALE / self.stage.out

    def whole(self) -> dict[str, str]:
        """What a run writes that must succeed.

        Raises:
            RuntimeError: it failed.
        """
        ended = self.once()
        if ended.code and REFUSED.search(ended.text) and self.command == self.stage.command:
            self.row["refused"] = REFUSED.findall(ended.text)[:1]
            self.command = ["benchmarks.gpu_stages", *self.stage.command]
            ended = self.once()
            self.row["refused"] = sorted({*self.row["refused"], *REFUSED.findall(ended.text)})
        if ended.code:
            raise RuntimeError(ended.error)
        self.row.setdefault("seconds", round(ended.seconds, 1))
        return outputs(self.out)

    def all(self, update: Callable[[dict], None]) -> None:
        """Twice, then stopped and resumed; ``update`` gets the row whenever it has grown."""
        try:
            self._all(update)
        except TimeoutError:
            self.row["error"] = "no time left"
        except Exception as error:
            self.row["error"] = str(error)
        update(self.row)

    def _all(self, update: Callable[[dict], None]) -> None:
        self.row["refused"] = []
        first = self.whole()
        self.row["files"] = len(first)
        update(self.row)
        second = self.whole()
        self.row["twice"] = differing(first, second)
        update(self.row)
        if self.stage.trains:
            stopped = self.once(stop=True)
            if stopped.code != STOPPED:
                raise RuntimeError(f"SIGTERM: {stopped.error}")
            ended = self.once(fresh=False)
            if ended.code or "goes on from" not in ended.text:
                raise RuntimeError(f"resumed: {ended.error}")
            self.row["resumed"] = differing(first, outputs(self.out))


def differing(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Files that are not the same in both."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def check(toy: bool, deadline: float, update: Callable[[list[dict]], None]) -> None:
    """All stages; ``update`` gets the rows whenever one has grown."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, toy)
        lines = [[Check(stage, folder, deadline) for stage in line] for line in (TOY if toy else LINES)]
        if not toy:
            lines.append([lower(folder, deadline)])

        def report(_row: dict) -> None:
            update([dict(check.row) for line in lines for check in line])

        with ThreadPoolExecutor(max(1, min(len(lines), len(os.sched_getaffinity(0)) // 2))) as pool:
            for each in [pool.submit(in_turn, line, report) for line in lines]:
                each.result()


def in_turn(line: list[Check], update: Callable[[dict], None]) -> None:
    """The checks of a line."""
    for each in line:
        each.all(update)


def lower(folder: Path, deadline: float) -> Check:
    """The training with bfloat16, in a copy of the folder."""
    copy = folder / "bf16"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("bf16"))
    path = copy / f"results/{SCALE}/settings/retrain/0-9.json"
    value = formats.read_json(path)
    value["retrain"]["precision"] = "bf16"
    formats.write_json(path, value)
    found = Check(RETRAIN, copy, deadline)
    found.row["stage"] = "retrain, bf16"
    return found


def main() -> None:
    """Run a stage's script where an operator that is not deterministic is only warned of."""
    import torch

    sys.argv = sys.argv[1:]
    real = torch.set_deterministic_debug_mode
    torch.set_deterministic_debug_mode = lambda _mode: real("warn")
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
