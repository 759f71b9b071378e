"""Runs the schedule: a process of DVC a job, its log in a file, its end taken up."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from eoinas import files, locks
from eoinas.errors import InputError
from eoinas.fan import graph
from eoinas.fan.schedule import Job, Schedule
from eoinas.fan.view import View

FOLDER = Path(".scratch/fan")
SECONDS = FOLDER / "seconds.json"
MARK = "EOINAS_FAN"  # in the environment of all that a driver starts: the checkout
PAUSE = 0.2  # seconds between two looks at the processes
ALIVE = 20.0  # seconds between two signs of life of a driver; after three of them without it is taken for dead
PATIENCE = 300.0  # seconds for a leftover to save its state


def known_seconds() -> dict[str, float]:
    """What each stage took when it ran last in this checkout."""
    try:
        return {str(stage): float(seconds) for stage, seconds in json.loads(SECONDS.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the checkout against other drivers, here and on other hosts, by a lock and by signs of life.

    Raises:
        InputError: another driver runs.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    path, here = FOLDER / "driver.json", socket.gethostname()
    lock = locks.hold(FOLDER / "lock")
    if lock is None:
        raise InputError(f"{FOLDER}: another driver runs in this checkout{_who(path)}; it goes on with all stages")
    with lock:
        age = _age(path)
        if age is not None and age < 3 * ALIVE and (host := _read(path).get("host", here)) != here:
            raise InputError(
                f"{FOLDER}: a driver on {host} runs in this checkout (seen {age:.0f} s ago): DVC's locks hold on one host only; "
                f"end it, or if it is gone wait a minute"
            )
        files.write_text(path, json.dumps({"host": here, "process": os.getpid()}) + "\n")
        over = threading.Event()
        signs = threading.Thread(target=_live, args=(path, over), daemon=True)
        signs.start()
        try:
            yield
        finally:
            over.set()
            signs.join()
            path.unlink(missing_ok=True)


def _live(path: Path, over: threading.Event) -> None:
    while not over.wait(ALIVE):
        with contextlib.suppress(OSError):
            os.utime(path)


def _read(path: Path) -> dict:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _who(path: Path) -> str:
    values = _read(path)
    return f" (process {values['process']} on {values['host']})" if {"process", "host"} <= values.keys() else ""


def _age(path: Path) -> float | None:
    """Seconds since a file was touched, by the clock of its disk."""
    probe = FOLDER / f"clock.{os.getpid()}"
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return None
    finally:
        probe.unlink(missing_ok=True)


def leftovers() -> list[psutil.Process]:
    """What a driver of this checkout that was killed has left running."""
    found, own = [], {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    job = os.environ.get("SLURM_JOB_ID")  # jobs on this host are Slurm's to end
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if process.pid not in own and environment.get(MARK) == str(Path.cwd()) and environment.get("SLURM_JOB_ID") == job:
                found.append(process)
    return found


def end_leftovers() -> None:
    """Have them save their states and end; a file of locks that DVC was killed over is removed, for no DVC can read it.

    Raises:
        InputError: they do not end.
    """
    if found := leftovers():
        print(f"ending {len(found)} processes of a driver that was killed; they save their states", flush=True)
        _interrupt(set(_groups(found)))
        end = time.monotonic() + PATIENCE
        while (alive := [process for process in found if _runs(process)]) and time.monotonic() < end:
            time.sleep(PAUSE)
        if alive:
            pids = " ".join(str(process.pid) for process in alive)
            raise InputError(f"{FOLDER}: processes of an earlier driver do not end; `kill -9 {pids}`")
    locks.mend()


def _runs(process: psutil.Process) -> bool:
    """Whether it has not ended; one that nobody has waited for, as where a container has no init, has."""
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _groups(processes: list[psutil.Process]) -> Iterator[int]:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            yield os.getpgid(process.pid)


def _interrupt(groups: set[int]) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGINT)


class Driver:
    """Starts what the schedule says, until all is done, failed or stopped.

    Args:
        schedule: what is to run.
        view: what a person sees.
        tries: how often a stage that fails is run.
        pull: whether DVC fetches what a remote has.
        look: what is out of date in the end, if that has to be asked.
    """

    def __init__(self, schedule: Schedule, view: View, tries: int, pull: bool, look: Callable[[], set[str]] | None = None):
        self.schedule, self.view, self.tries, self.look = schedule, view, tries, look
        self.command = [*graph.DVC, "repro", *(["--pull"] if pull else []), "-s"]
        self.processes: dict[str, subprocess.Popen] = {}
        self.before: dict[str, dict[str, object]] = {}  # what dvc.lock said of a job's stages when it started
        self.since: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        self.seconds = known_seconds()
        self.signals: list[int] = []

    def run(self) -> int:
        """The exit code: 0, 1 where a stage failed, 128 + n after a signal.

        Raises:
            InputError, OSError: the place or the disk fails; what runs saves its state first.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # ignored: nohup
                signal.signal(number, self._on_signal)
        try:
            self._until_over()
            if self.look and not self.signals and (stale := self._look(self.look)) is not None:
                self.schedule.reopen(stale)
                self._until_over()
        except BaseException:
            if not self.signals:  # a second one has a stage leave without its state
                self._interrupt()
            for process in self.processes.values():
                process.wait()
            raise
        finally:
            self.view.close(self.schedule, stopped=bool(self.signals))
        return 128 + self.signals[0] if self.signals else int(bool(self.schedule.failed))

    def _look(self, look: Callable[[], set[str]]) -> set[str] | None:
        """What is out of date; None where a signal ended DVC while it was asked."""
        try:
            return look()
        except InputError:
            if not self.signals:
                raise
            return None

    def _until_over(self) -> None:
        while self.processes or not (self.signals or self.schedule.over):
            if not self.signals:
                for job in self.schedule.start():
                    if self.signals:  # since the last one was started
                        self.schedule.again(job)
                        break
                    self._start(job)
            for name in [name for name, process in self.processes.items() if process.poll() is not None]:
                self._ended(self.schedule.running[name], self.processes.pop(name).returncode)
            self.view.show(self.schedule, self.since)
            time.sleep(PAUSE)

    def _on_signal(self, number: int, _frame: object) -> None:
        self.signals.append(number)
        if len(self.signals) == 1:
            self._interrupt()
            self.view.say("stopping: the stages that run save their states; Ctrl-C once more leaves at once")
        elif number == signal.SIGINT:  # a person; a second SIGINT has a stage leave without its state
            self._interrupt()

    def _interrupt(self) -> None:
        _interrupt({process.pid for process in self.processes.values()})

    def _start(self, job: Job) -> None:
        environment = {**os.environ, MARK: str(Path.cwd()), **job.grant.environment}
        self.before[job.name] = graph.written(job.stages)
        for path in (logs := logs_of(job.name)):
            path.unlink(missing_ok=True)
        with open(logs[0 if "EOINAS_JOB" in environment else 1], "w", encoding="utf-8") as log:
            self.processes[job.name] = subprocess.Popen(
                [*self.command, *job.stages],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self.signals:  # while it was started
            _interrupt({self.processes[job.name].pid})
        self.since[job.name] = time.monotonic()
        self.view.started(job)

    def _ended(self, job: Job, code: int) -> None:
        seconds = time.monotonic() - self.since.pop(job.name)
        before = self.before.pop(job.name)
        if code == 0:
            self._remember(job, seconds)
            after = graph.written(job.stages)
            self.schedule.succeeded(job, lambda stage: before[stage] is None or after[stage] != before[stage])
            self.view.done(job, seconds)
        elif self.signals:
            self.schedule.again(job)  # so that the count of what is left is right
        elif len(job.stages) > 1:
            self.schedule.again(job)
        else:
            self.counts[job.name] = self.counts.get(job.name, 0) + 1
            if self.counts[job.name] < self.tries:
                self.schedule.again(job)
            else:
                self.schedule.gave_up(job)
            self.view.failed(job, code, seconds, again=self.counts[job.name] < self.tries)

    def _remember(self, job: Job, seconds: float) -> None:
        """How long a stage took, if DVC ran it and did not find it in its cache."""
        said = "".join(path.read_text(errors="replace")[:4000] for path in logs_of(job.name) if path.exists())
        if len(job.stages) == 1 and f"Running stage '{job.name}'" in said:
            self.seconds[job.name] = round(seconds, 1)
            files.write_text(SECONDS, json.dumps(self.seconds, indent=1, sort_keys=True) + "\n")


def logs_of(stage: str) -> list[Path]:
    """What DVC has said, where the stage itself runs on Slurm; what the stage has said, and elsewhere DVC with it."""
    return [FOLDER / f"{stage}.dvc.log", FOLDER / f"{stage}.log"]


def guesses(
    needs: graph.Needs, takes: Mapping, seconds: Mapping[str, float], long: float = 60.0, short: float = 5.0
) -> dict[str, float]:
    """Seconds of each stage: what is known, else a guess that keeps long ones before short ones."""
    return {stage: seconds.get(stage, short if takes[stage].short else long) for stage in needs}
