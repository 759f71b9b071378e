"""Resume that is exact to the bit: a stage's whole state, kept outside its outputs, which DVC deletes before a run.

The two newest states lie in ``$DVC_ROOT/.scratch/<stage>-<fingerprint>/``. The fingerprint hashes the stage's parameters, input
files and code, so a state is never taken up by another computation. A file is the SHA-256 of its payload, then the payload.
"""

import contextlib
import copy
import fcntl
import hashlib
import io
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from eoinas import code, command, files, locks
from eoinas.errors import InputError

_DIGEST = hashlib.sha256().digest_size
_DONE = "done"
TIMING = "timing.json"
FORMAT = 1  # of a saved state; another number when what a state holds, or how a loop takes it up, has changed
_FORMAT_KEY = "format"


def fingerprint(script: str, parameters: object, inputs: Iterable[Path | str]) -> str:
    """Hash of a stage's parameters (JSON values), its input files or folders, the code that has an effect, and torch's version.

    Args:
        script: name of the stage's script.
    """
    parts = [json.dumps(parameters, sort_keys=True), torch.__version__, str(FORMAT)]
    for path in map(Path, inputs):
        members = sorted(path.rglob("*")) if path.is_dir() else [path]
        parts += [f"{member.relative_to(path)} {files.sha256(member)}" for member in members if member.is_file()]
    parts += [f"{path} {digest}" for path, digest in code.effective(script).items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def check_finite(losses: Iterable[Tensor | float], title: str, epoch: int, states: "Checkpoint") -> None:
    """Raise InputError where a loss is NaN or infinite; called before a state is saved too, so that all saved states are good.

    Args:
        losses: of the epoch's steps so far.
        title: of the stage, and which of its losses they are.
    """
    for step, loss in enumerate(losses, 1):
        if not math.isfinite(loss):
            raise InputError(
                f"{title} loss is not finite in epoch {epoch}, step {step}; last good state: {states.last}; "
                "lower learning_rate or grad_clip of this stage's block in params.yaml"
            )


class Checkpoint:
    """``with Checkpoint(...) as checkpoint`` holds the stage's lock; leaving it without an error removes the states.

    Args:
        stage: name of the stage and its matrix items.
        key: what ``fingerprint`` gave.
        minutes: time between two states.

    Raises:
        InputError: another process works on the same stage.
    """

    def __init__(self, stage: str, key: str, minutes: float):
        self._stage, self._seconds = stage, 60 * minutes
        self._set_folder(Path(os.environ.get("DVC_ROOT", ".")) / ".scratch" / f"{stage}-{key[:16]}")

    def _set_folder(self, folder: Path) -> None:
        self._folder, self._newest, self._older = folder, folder / "newest.pt", folder / "older.pt"
        self.last = "none yet, the run starts over"  # saved or loaded, for messages
        self._saved = time.monotonic()

    def __enter__(self) -> "Checkpoint":
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = locks.hold(self._folder / "lock")
        if lock is None:
            raise InputError(f"{self._stage}: another process works on this stage ({self._folder}); wait for it or end it")
        self._lock = lock
        shutil.rmtree(self._over, ignore_errors=True)
        command.wait_for_checkpoint()
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if kind is None or not any(path.is_file() for path in self._folder.rglob("*") if path.name != "lock"):
            self._remove()
        fcntl.flock(self._lock, fcntl.LOCK_UN)  # a forked loader worker may still have the file open
        self._lock.close()

    @property
    def _over(self) -> Path:
        return self._folder.with_name(f"{self._folder.name}.over")

    def _remove(self) -> None:
        """All states at once: a run that is killed meanwhile leaves none of them, or all."""
        shutil.rmtree(self._over, ignore_errors=True)
        with contextlib.suppress(OSError):
            self._folder.rename(self._over)
        shutil.rmtree(self._over, ignore_errors=True)

    def part(self, name: str, work: Callable[["Checkpoint", Path], None]) -> Path:
        """One of several trainings that the stage does in turn; one that a killed run had finished is not done again.

        Args:
            name: of the part, unique in the stage.
            work: called with the part's own states and a folder to write its results to.

        Returns:
            The folder with the results; it goes with the states when the stage succeeds.
        """
        done = self._folder / _DONE / name
        if done.exists():
            print(f"{self._stage}: {name} was finished by an earlier run", file=sys.stderr)
            return done
        states = copy.copy(self)
        states._set_folder(self._folder / f"part-{name}")
        with files.replacing_folder(done) as folder:
            work(states, folder)
        shutil.rmtree(states._folder, ignore_errors=True)
        return done

    def parts(
        self, out: Path | str, works: Mapping[str, Callable[["Checkpoint", Path], None]], timing: Path | str | None = None
    ) -> None:
        """Do every part in turn, then write ``out``, a folder with a folder for each.

        Args:
            timing: a folder for the parts' files TIMING, which differ from run to run; as a file ``<part>.json`` each.
        """
        done = {name: self.part(name, work) for name, work in works.items()}
        with files.replacing_folder(out) as folder:
            for name, part in done.items():
                shutil.copytree(part, folder / name, ignore=shutil.ignore_patterns(TIMING))
        if timing is not None:
            with files.replacing_folder(timing) as folder:
                for name, part in done.items():
                    shutil.copy(part / TIMING, folder / f"{name}.json")

    def load(self) -> dict | None:
        """The newest whole state, or None; a damaged one is set aside with a warning."""
        for path in (self._newest, self._older):
            if not path.exists():
                continue
            blob = path.read_bytes()
            if len(blob) > _DIGEST and hashlib.sha256(blob[_DIGEST:]).digest() == blob[:_DIGEST]:
                state = torch.load(io.BytesIO(blob[_DIGEST:]), map_location="cpu", weights_only=True)
                if state.pop(_FORMAT_KEY, None) == FORMAT:
                    print(f"{self._stage}: goes on from {path}", file=sys.stderr)
                    self.last = _place(state, path)
                    return state
                print(f"warning: {path}: a state of another format is left out", file=sys.stderr)
                continue
            damaged = path.with_suffix(".damaged")
            path.replace(damaged)
            print(f"warning: {damaged}: damaged state set aside", file=sys.stderr)
        return None

    def offer(self, state: Callable[[], dict]) -> None:
        """Save ``state()``, which has an epoch and its step, when one is due or the process was asked to stop.

        Raises:
            InputError: the disk is full; the states before are as they were.
            Stopped: the state is saved and the process was asked to stop.
        """
        if not command.stopping() and time.monotonic() - self._saved < self._seconds:
            return
        payload, content = io.BytesIO(), state()
        torch.save({**content, _FORMAT_KEY: FORMAT}, payload)
        blob = payload.getvalue()
        files.write_bytes(self._folder / "next.pt", hashlib.sha256(blob).digest() + blob)
        if self._newest.exists():
            self._newest.replace(self._older)
        (self._folder / "next.pt").replace(self._newest)
        files.sync(self._folder)
        self._saved, self.last = time.monotonic(), _place(content, self._newest)
        if command.stopping():
            raise command.Stopped(f"{self._stage}: state saved, the next run goes on from here")


def _place(state: dict, path: Path) -> str:
    return f"epoch {state['epoch']}, step {state['step']} ({path})"
