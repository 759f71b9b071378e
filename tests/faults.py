"""The fault campaign: every training stage is killed again and again, and its outputs are compared with an undisturbed run's.

``python -m tests.faults [FAULTS [STAGE ...]]`` (or ``make faults``) works on a copy of the project in a temporary folder, at demo
scale, with a checkpoint whenever a fifth of a second has passed. Each stage gets FAULTS faults (26 unless told), of these kinds
in turn:

    kill        SIGKILL at a random moment
    rename      SIGKILL between the two renames of a random checkpoint
    truncate    SIGKILL at a random moment, then the newest checkpoint loses its last bytes
    flip        SIGKILL at a random moment, then one bit of the newest checkpoint changes
    dvc         SIGKILL to dvc alone, which runs the stage
    full        the disk is full (RLIMIT_FSIZE) while outputs and checkpoints are written

After each fault ``dvc --wait-for-lock repro`` runs the stage to its end, and every output is compared byte for byte. A campaign
of all stages writes reports/reliability/.
"""

import hashlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import yaml

from eoinas import files, formats

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("kill", "rename", "truncate", "flip", "dvc", "full")
TRAINING = {
    *("search", "random_cells", "retrain", "retrain_seeds", "standalone", "bench_search", "bench_masked"),
    *("imagenet", "seg_search", "seg_pretrain", "seg_train"),
}
MINUTES = 0.003
TRIES = 10  # until a fault strikes
SAVES = 20  # one of so many first checkpoints is the one whose renames a crash falls between
SMALL = 20_000  # bytes that a file may have on the full disk: less than any checkpoint
CRASH = """\
            os.environ["EOINAS_CRASH"] = str(int(os.environ.get("EOINAS_CRASH", "-1")) - 1)
            if os.environ["EOINAS_CRASH"] == "-1":
                os.kill(os.getpid(), 9)
"""


def copy_project(folder: Path) -> None:
    """The project's own files, with checkpoints so often that a kill falls between them anywhere."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith("reports/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    values = yaml.safe_load((folder / "params.yaml").read_text())
    values["machine"]["demo"]["checkpoint_minutes"] = MINUTES
    searched = [name for name, seeds in values["demo"]["repeats"]["bench"].items() if seeds]  # the others have nothing to do
    values["bench"]["variants"] = {name: values["bench"]["variants"][name] for name in searched}
    for scale in ("paper", "gpu", "study", "demo"):
        bench = values[scale]["repeats"]["bench"]
        values[scale]["repeats"]["bench"] = {name: bench[name] for name in searched if name in bench}
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    (folder / "dvc.lock").unlink(missing_ok=True)
    # The crash between the two renames: the process kills itself there after so many checkpoints, if it is told a number.
    path = folder / "eoinas/checkpoint.py"
    text = path.read_text()
    between = "            self._newest.replace(self._older)\n"
    assert between in text
    path.write_text(text.replace(between, between + CRASH))


def outputs(folder: Path, outs: list[str]) -> dict[str, str]:
    """Hash of every file that a stage wrote, wall times excepted."""
    found = {}
    for out in outs:
        paths = sorted((folder / out).rglob("*")) if (folder / out).is_dir() else [folder / out]
        found |= {str(path.relative_to(folder)): files.sha256(path) for path in paths if path.is_file()}
    return {name: digest for name, digest in found.items() if "/timing/" not in name}


class Stage:
    """One expanded stage of dvc.yaml."""

    def __init__(self, folder: Path, name: str, command: str, outs: list[str]):
        self.folder, self.name, self.command, self.outs = folder, name, command.split(), outs
        self.healed = 0  # times that dvc had died while it wrote its own rwlock
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "DVC_ROOT": str(folder), "DVC_NO_ANALYTICS": "1"}

    def remove(self) -> None:
        """What dvc does before it runs a stage."""
        for out in self.outs:
            path = self.folder / out
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def start(self, limit: int = resource.RLIM_INFINITY, **changes: str) -> subprocess.Popen:
        """The stage alone, as dvc would start it; no file may have more than ``limit`` bytes."""
        self.remove()
        return subprocess.Popen(
            [sys.executable, *self.command[1:]],
            cwd=self.folder,
            env=self.environment | changes,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )

    def repro(self) -> subprocess.Popen:
        """The stage through dvc."""
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "-f", "-s", self.name]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self) -> str:
        """Run the stage to its end through dvc; returns what it printed."""
        process = self.repro()
        text, _ = process.communicate()
        assert process.returncode == 0, text
        leftovers = list((self.folder / ".scratch").glob("*"))
        assert not leftovers, f"{self.name}: left {leftovers}"
        return text

    def states(self) -> list[Path]:
        """The newest checkpoints that lie in the scratch folder."""
        return sorted(self.folder.glob(".scratch/**/newest.pt"))


class Times(NamedTuple):
    """Seconds that the stage takes undisturbed."""

    alone: float
    by_dvc: float


def fault(stage: Stage, kind: str, times: Times, generator: random.Random) -> bool:
    """Do one fault to the stage; False if the stage had ended before it struck."""
    part = generator.uniform(0.3, 0.95)
    if kind == "dvc":
        return kill_dvc(stage, part * times.by_dvc)
    if kind == "full":
        return fill_disk(stage)
    if kind == "rename":
        process = stage.start(EOINAS_CRASH=str(generator.randrange(SAVES)))
        process.communicate()
        return process.returncode == -signal.SIGKILL
    process = stage.start()
    try:
        process.communicate(timeout=part * times.alone)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    if process.returncode != -signal.SIGKILL:
        return False
    if kind == "kill":
        return True
    for path in stage.states():
        blob = bytearray(path.read_bytes())
        if kind == "flip":
            blob[generator.randrange(len(blob))] ^= 1 << generator.randrange(8)
        else:
            del blob[generator.randrange(len(blob)) :]
        path.write_bytes(blob)
    return bool(stage.states())


def kill_dvc(stage: Stage, wait: float) -> bool:
    """The stage that dvc runs saves its state and goes within 10 s."""
    process = stage.repro()
    time.sleep(wait)
    children = psutil.Process(process.pid).children(recursive=True)
    orphans = [child for child in children if stage.command[2] in child.cmdline()]
    process.kill()
    _, alive = psutil.wait_procs(orphans, timeout=10)
    alive = [child for child in alive if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]  # init takes its time
    process.communicate()
    lock = stage.folder / ".dvc/tmp/rwlock"
    if lock.exists() and not lock.read_bytes():
        lock.unlink()  # dvc died while it wrote its own file; as make repro does
        stage.healed += 1
    assert not alive, f"{stage.name}: {alive} 10 s after dvc was killed"
    return bool(orphans)


def fill_disk(stage: Stage) -> bool:
    """The stage says in one line how much it needs, and leaves nothing that is half-written."""
    process = stage.start(limit=SMALL)
    _, error = process.communicate()
    torn = [out for out in stage.outs if (stage.folder / out).exists() and "/timing/" not in out]
    assert process.returncode == 1, f"{stage.name}: ended with {process.returncode} on a full disk"
    assert re.search(rb"error: .+: needed .+, free .+; free some space", error), error.decode()
    assert b"Traceback" not in error, error.decode()
    assert not torn, f"{stage.name}: left {torn} on a full disk"
    return True


def undisturbed(stage: Stage) -> tuple[Times, dict[str, str]]:
    """How long the stage takes, alone and by dvc, and what it writes."""
    begin = time.monotonic()
    process = stage.start()
    _, error = process.communicate()
    assert process.returncode == 0, error.decode()
    between = time.monotonic()
    expected = outputs(stage.folder, stage.outs)
    stage.finish()
    assert outputs(stage.folder, stage.outs) == expected, f"{stage.name}: two runs differ"
    return Times(between - begin, time.monotonic() - between), expected


def campaign(stage: Stage, count: int, generator: random.Random) -> dict:
    """Undisturbed twice, then ``count`` faults and a run to the end after each."""
    begin = time.monotonic()
    times, expected = undisturbed(stage)
    row = {"stage": stage.name, "seconds": round(times.alone, 1), "files": len(expected), **dict.fromkeys(KINDS, 0)}
    row |= {"resumed": 0, "identical": 0}
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        if not any(fault(stage, kind, times, generator) for _ in range(TRIES)):
            continue  # no such fault can be done to it: it saves parts alone, which are small, and no state
        row[kind] += 1
        row["resumed"] += "goes on from" in stage.finish()
        row["identical"] += outputs(stage.folder, stage.outs) == expected
    row["rwlock"] = stage.healed
    print(f"{stage.name}: {(time.monotonic() - begin) / count:.1f} s a fault", flush=True)
    return row


def stages_of(folder: Path) -> list[Stage]:
    """One expanded stage of each training script, in the order of the graph."""
    from dvc.repo import Repo

    with Repo(str(folder)) as repo:
        index = repo.index
        chosen: dict[str, Stage] = {}
        import networkx

        for stage in networkx.topological_sort(index.graph.reverse()):
            script = stage.cmd.split()[2].removeprefix("stages.")
            if script in TRAINING and script not in chosen:
                chosen[script] = Stage(folder, stage.name, stage.cmd, [str(out.def_path) for out in stage.outs])
        return list(chosen.values())


def report(rows: list[dict]) -> str:
    """The page of a campaign."""
    faults, same, healed = (sum(row[name] for row in rows for name in names) for names in (KINDS, ["identical"], ["rwlock"]))
    columns = ["stage", "seconds", "files", *KINDS, "resumed", "identical"]
    lines = [columns, ["---"] * len(columns)]
    lines += [[f"`{row['stage']}`", *(str(row[name]) for name in columns[1:])] for row in rows]
    text = [
        "# Reliability",
        "",
        f"{faults} faults in {len(rows)} training stages at demo scale. After {same} of them the stage, run to its end, had "
        "written the same bytes as an undisturbed run. Made by `make faults`; what each kind of fault is stands in "
        "`tests/faults.py`.",
        "",
        *(f"| {' | '.join(line)} |" for line in lines),
        "",
        "`seconds`: the undisturbed stage. `files`: compared. `resumed`: faults after which the stage went on from a checkpoint "
        "and not from the start. `identical`: faults after which all files were the same.",
        "",
        "A dvc that is killed while it writes its own `.dvc/tmp/rwlock` leaves it empty and cannot read it afterwards. The "
        f"campaign then deletes that file, as `make repro` does: {healed} times here. No other file is touched.",
    ]
    return "\n".join(text) + "\n"


def prepare(folder: Path, only: list[str]) -> list[Stage]:
    """A copy of the project in which all that the stages need has run; ``only`` are beginnings of their names, if any."""
    copy_project(folder)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "config", "core.analytics", "false"], cwd=folder, check=True)
    chosen = [stage for stage in stages_of(folder) if not only or stage.name.startswith(tuple(only))]
    print(f"the stages and what they need once, in {folder}", flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*dvc, "repro", "-q", *(stage.name for stage in chosen)]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return chosen


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 26
    only = sys.argv[2:]
    with tempfile.TemporaryDirectory() as name:
        rows = []
        for stage in prepare(Path(name), only):
            seed = int.from_bytes(hashlib.sha256(stage.name.encode()).digest()[:4], "big")
            rows.append(campaign(stage, count, random.Random(seed)))
            print(json.dumps(rows[-1]), flush=True)
    print(report(rows))
    if not only:
        files.write_text(ROOT / "reports/reliability/README.md", report(rows))
        formats.write_json(ROOT / "reports/reliability/faults.json", rows)
    if any(row["identical"] < sum(row[kind] for kind in KINDS) for row in rows):
        sys.exit("some outputs differ")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
