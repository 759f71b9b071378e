"""The driver and signals: what it does between starts, again and again, under nohup, and when its place fails."""

import errno
import io
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from eoinas.errors import InputError
from eoinas.fan import driver, places
from eoinas.fan.resources import Need
from eoinas.fan.schedule import Schedule
from eoinas.fan.view import View

STAGES = ("a", "b", "c")
# In the place of DVC: notes that it runs, notes each SIGINT, and ends a while after the first one, or when told to.
CHILD = """
import pathlib, signal, sys, time
me, told = pathlib.Path(sys.argv[1]), []
signal.signal(signal.SIGINT, lambda *_: told.append(1))
me.with_suffix(".runs").touch()
end = time.monotonic() + 30
while time.monotonic() < end and not told and not pathlib.Path("enough").exists():
    time.sleep(0.02)
for _ in range(40 if told else 0):
    time.sleep(0.02)
me.with_suffix(".told").write_text(str(len(told)))
sys.exit(130 if told else 0)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder to work in, and the signals as they were."""
    monkeypatch.chdir(tmp_path)
    driver.FOLDER.mkdir(parents=True)
    monkeypatch.setattr(driver.graph, "written", dict.fromkeys)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield tmp_path
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def make(place: places.Place | None = None, stages: tuple[str, ...] = STAGES) -> driver.Driver:
    needs = {stage: set() for stage in stages}
    takes, seconds = dict.fromkeys(needs, Need()), dict.fromkeys(needs, 1.0)
    schedule = Schedule(needs, takes, place or places.Box([], 3, 3), seconds, set(needs))
    made = driver.Driver(schedule, View({}, driver.logs_of), tries=1, pull=False)
    made.command = [sys.executable, "-c", CHILD]
    return made


def when_it_runs(do) -> threading.Thread:
    """Call it once the first stage runs."""

    def wait() -> None:
        end = time.monotonic() + 20
        while not Path("a.runs").exists() and time.monotonic() < end:
            time.sleep(0.02)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_signal_between_two_starts_starts_no_more(monkeypatch) -> None:
    made = make()

    def started(_job) -> None:
        time.sleep(0.5)  # so that the child takes signals
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(made.view, "started", started)
    assert made.run() == 130
    assert [path.name for path in Path().glob("*.runs")] == ["a.runs"]
    assert Path("a.told").read_text() == "1"
    assert set(made.schedule.waiting) == set(STAGES)


def test_a_signal_while_a_stage_is_started_reaches_it(monkeypatch) -> None:
    made, popen = make(stages=("a",)), driver.subprocess.Popen

    def slow(*arguments, **named):
        process = popen(*arguments, **named)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)
        return process

    monkeypatch.setattr(driver.subprocess, "Popen", slow)
    assert made.run() == 143
    assert Path("a.told").read_text() == "1"


@pytest.mark.parametrize(
    ("numbers", "told"),
    [((signal.SIGTERM, signal.SIGHUP, signal.SIGTERM), "1"), ((signal.SIGTERM, signal.SIGINT), "2")],
    ids=["job system", "person"],
)
def test_only_a_person_can_make_a_stage_leave_at_once(numbers, told: str) -> None:
    made = make(stages=("a",))

    def send() -> None:
        for number in numbers:
            time.sleep(0.15)
            os.kill(os.getpid(), number)

    thread = when_it_runs(send)
    assert made.run() == 128 + numbers[0]
    thread.join()
    assert Path("a.told").read_text() == told


def test_under_nohup_a_closed_terminal_stops_nothing() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    made = make(stages=("a",))

    def close() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        Path("enough").touch()

    thread = when_it_runs(close)
    assert made.run() == 0
    thread.join()
    assert Path("a.told").read_text() == "0"


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), BrokenPipeError(errno.EPIPE, "Broken pipe")])
def test_output_that_is_gone_ends_nothing(error: OSError, monkeypatch) -> None:
    """A closed terminal, or a pipe that nobody reads, when the first signal comes: one signal reaches the stage, no second."""
    made = make(stages=("a",))

    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise error

        def fileno(self) -> int:
            raise OSError("no file")

    monkeypatch.setattr(sys, "stdout", Gone())
    thread = when_it_runs(lambda: (time.sleep(0.3), os.kill(os.getpid(), signal.SIGTERM)))
    assert made.run() == 143
    thread.join()
    assert Path("a.told").read_text() == "1"


def test_an_error_after_a_signal_sends_no_second_one(monkeypatch) -> None:
    made = make(stages=("a",))

    def broken(_text: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(made.view, "say", broken)
    monkeypatch.setattr(made.view, "started", lambda _job: None)
    monkeypatch.setattr(made.view, "close", lambda *_, **__: None)
    thread = when_it_runs(lambda: (time.sleep(0.3), os.kill(os.getpid(), signal.SIGTERM)))
    with pytest.raises(ZeroDivisionError):
        made.run()
    thread.join()
    assert Path("a.told").read_text() == "1"


class Failing(places.Box):
    """A place that fails at the second stage."""

    def take(self, stage: str, need: Need) -> places.Grant | None:
        """As ``Place``."""
        if self.held:
            time.sleep(0.5)
            raise InputError("the place is gone")
        return super().take(stage, need)


def test_what_runs_saves_its_state_when_the_place_fails() -> None:
    with pytest.raises(InputError, match="the place is gone"):
        make(Failing([], 3, 3)).run()
    assert Path("a.told").read_text() == "1"
    assert not Path("b.runs").exists()


def test_a_slurm_that_does_not_answer_is_asked_again_later(monkeypatch) -> None:
    asked = []

    def jobs(_name: str) -> str:
        asked.append(1)
        if len(asked) == 1:
            raise places.Away("slurm: Unable to contact slurm controller")
        return ""

    monkeypatch.setattr(places, "jobs", jobs)
    monkeypatch.setattr(places, "AGAIN", 0.2)
    place = places.Slurm("", 4, 0)
    assert place.take("a", Need()) is None
    assert place.take("a", Need()) is None
    assert asked == [1]
    assert place.take("b", Need(short=True)).where == "here"
    time.sleep(0.3)
    assert place.take("a", Need()).where == "Slurm"


def test_two_checkouts_have_names_of_jobs_of_their_own(tmp_path, monkeypatch) -> None:
    names = set()
    for name in ("net-1", "net.1", "net_1"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        names.add(places.Slurm("", 1, 0).prefix)
    assert len(names) == 3


def test_a_driver_shows_that_it_lives_whatever_it_does(monkeypatch) -> None:
    monkeypatch.setattr(driver, "ALIVE", 0.05)
    path = driver.FOLDER / "driver.json"
    with driver.alone():
        first = path.stat().st_mtime_ns
        time.sleep(0.5)
        assert path.stat().st_mtime_ns > first
    assert not path.exists()
