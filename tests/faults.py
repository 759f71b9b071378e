"""The fault campaign: every training stage is killed again and again, and its outputs are compared with an undisturbed run's.

``python -m tests.faults [FAULTS [STAGE ...]]`` (or ``make faults``) works on a copy of the project in a temporary folder, at demo
scale, with a checkpoint whenever a few hundredths of a second have passed, and writes reports/reliability/. Each stage gets
FAULTS faults (24 unless told), of these kinds in turn:

    kill        SIGKILL at a random moment
    rename      the process dies between the two renames of a checkpoint
    truncate    SIGKILL, then the newest checkpoint loses its last byte
    flip        SIGKILL, then one bit of the newest checkpoint changes
    dvc         SIGKILL to dvc alone, which runs the stage
    full        the disk is full (RLIMIT_FSIZE) while outputs and checkpoints are written

After the faults the stage is run to its end by ``dvc --wait-for-lock repro``, and every output is compared byte for byte.
"""

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from eoinas import files

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("kill", "rename", "truncate", "flip", "dvc", "full")
TRAINING = {"search", "random_cells", "retrain", "imagenet", "seg_search", "seg_pretrain", "seg_train", "standalone"}
MINUTES = 0.0005
SMALL = 20_000  # bytes that a file may have on the full disk: less than any checkpoint


def copy_project(folder: Path) -> None:
    """The project's own files, with checkpoints so often that a kill falls between them anywhere."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, listed):
        if (ROOT / name).is_file() and not name.startswith("reports/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    values = yaml.safe_load((folder / "params.yaml").read_text())
    _set(values["demo"], "checkpoint_minutes", MINUTES)
    values["retrain_runs"] = ["0-1"]
    values["search_seeds"] = [0, 1]
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    (folder / "dvc.lock").unlink(missing_ok=True)
    # The crash between the two renames: the process kills itself there when a file asks for it.
    path = folder / "eoinas/checkpoint.py"
    text = path.read_text()
    between = "            self._newest.replace(self._older)\n"
    assert between in text
    crash = '            if os.environ.get("EOINAS_CRASH") == "rename":\n                os.kill(os.getpid(), 9)\n'
    path.write_text(text.replace(between, between + crash))


def _set(block: dict, name: str, value: object) -> None:
    for key, inner in block.items():
        if isinstance(inner, dict):
            _set(inner, name, value)
        elif key == name:
            block[key] = value


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
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", "DVC_ROOT": str(folder), "DVC_NO_ANALYTICS": "1"}

    def remove(self) -> None:
        """What dvc does before it runs a stage."""
        for out in self.outs:
            path = self.folder / out
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def start(self, **changes: str) -> subprocess.Popen:
        """The stage alone, as dvc would start it."""
        self.remove()
        command = [sys.executable, *self.command[1:]]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment | changes, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def repro(self) -> subprocess.Popen:
        """The stage through dvc."""
        command = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "-f", "-s", self.name]
        return subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def states(self) -> list[Path]:
        """The newest checkpoints that lie in the scratch folder."""
        return sorted(self.folder.glob(".scratch/**/newest.pt"))


def fault(stage: Stage, kind: str, seconds: float, generator: random.Random) -> bool:
    """Do one fault to the stage, which takes ``seconds`` undisturbed; False if the stage had ended before it struck."""
    wait = generator.uniform(0.3, 0.95) * seconds
    if kind == "dvc":
        process = stage.repro()
        time.sleep(wait + 1)
        ended = process.poll() is not None
        process.kill()
        process.communicate()
        _wait_for_end(stage)
        return not ended
    if kind == "full":
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))  # noqa: E731
        stage.remove()
        process = subprocess.run(
            [sys.executable, *stage.command[1:]], cwd=stage.folder, env=stage.environment, capture_output=True, preexec_fn=limit
        )
        torn = [out for out in stage.outs if (stage.folder / out).exists() and "/timing/" not in out]
        assert process.returncode != 0, f"{stage.name}: ended with 0 on a full disk"
        assert not torn, f"{stage.name}: left {torn} on a full disk"
        assert process.stderr.count(b"Traceback") == 0, process.stderr.decode()
        return True
    process = stage.start(**({"EOINAS_CRASH": "rename"} if kind == "rename" else {}))
    try:
        process.wait(timeout=None if kind == "rename" else wait)
    except subprocess.TimeoutExpired:
        process.kill()
    ended = process.wait() == 0
    if kind in ("truncate", "flip"):
        for path in stage.states():
            blob = bytearray(path.read_bytes())
            if kind == "flip" and blob:
                blob[generator.randrange(len(blob))] ^= 1 << generator.randrange(8)
            path.write_bytes(blob if kind == "flip" else blob[:-1])
    return not ended


def _wait_for_end(stage: Stage) -> None:
    """Until the orphan of a killed dvc has saved its state and gone."""
    pattern = " ".join(stage.command[1:])
    for _ in range(100):
        if subprocess.run(["pgrep", "-f", pattern], capture_output=True).returncode:
            return
        time.sleep(0.1)
    raise AssertionError(f"{stage.name}: still runs 10 s after dvc was killed")


def campaign(stage: Stage, count: int, generator: random.Random) -> dict:
    """Undisturbed once, then ``count`` faults and a run to the end."""
    begin = time.monotonic()
    process = stage.start()
    assert process.wait() == 0, f"{stage.name}: failed undisturbed"
    seconds = time.monotonic() - begin
    expected = outputs(stage.folder, stage.outs)
    row = {"stage": stage.name, "seconds": round(seconds, 1), "files": len(expected), **dict.fromkeys(KINDS, 0), "missed": 0}
    row["resumed"] = 0
    done = 0
    while done < count:
        kind = KINDS[done % len(KINDS)]
        if fault(stage, kind, seconds, generator):
            row[kind] += 1
            done += 1
        else:
            row["missed"] += 1
    process = stage.repro()
    text, _ = process.communicate()
    assert process.returncode == 0, text
    row["resumed"] = int("goes on from" in text)
    row["identical"] = outputs(stage.folder, stage.outs) == expected
    leftovers = [path for path in (stage.folder / ".scratch").glob("*") if any(path.iterdir())]
    assert not leftovers, f"{stage.name}: left {leftovers}"
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


def report(rows: list[dict], out: Path) -> None:
    """The table as Markdown and JSON."""
    faults = sum(row[kind] for row in rows for kind in KINDS)
    same = sum(row["identical"] for row in rows)
    columns = ["stage", "seconds", "files", *KINDS, "resumed", "identical"]
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    for row in rows:
        cells = [f"`{row['stage']}`", *(str(row[name]) for name in columns[1:-2])]
        lines.append(
            "| " + " | ".join([*cells, "yes" if row["resumed"] else "no", "yes" if row["identical"] else "**NO**"]) + " |"
        )
    text = [
        "# Reliability\n",
        f"{faults} faults in {len(rows)} training stages at demo scale; the outputs of {same} of them were identical "
        "byte for byte to an undisturbed run's. Made by `make faults`; what each kind of fault is stands in `tests/faults.py`.\n",
        *lines,
        "",
        "`seconds`: the undisturbed stage. `files`: compared. `resumed`: the last run went on from a checkpoint.",
    ]
    files.write_text(out / "README.md", "\n".join(text) + "\n")
    files.write_json(out / "faults.json", rows)
    print("\n".join(text))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    only = sys.argv[2:]  # names of stages, for a part of the campaign
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        subprocess.run([sys.executable, "-m", "dvc", "config", "core.analytics", "false"], cwd=folder, check=True)
        print(f"the graph once, in {folder}", flush=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run(
            [sys.executable, "-m", "dvc", "repro", "-q"], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        stages = stages_of(folder)
        rows = []
        for stage in stages:
            if only and not any(stage.name.startswith(part) for part in only):
                continue
            seed = int.from_bytes(hashlib.sha256(stage.name.encode()).digest()[:4], "big")
            rows.append(campaign(stage, count, random.Random(seed)))
            print(json.dumps(rows[-1]), flush=True)
    report(rows, ROOT / "reports/reliability")
    if not all(row["identical"] for row in rows):
        sys.exit("some outputs differ")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
