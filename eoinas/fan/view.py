"""What a person sees of the driver: a live table on a terminal, a line an event elsewhere."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from eoinas.fan.schedule import Job, Schedule

REDRAW = 1.0  # seconds
TAIL = 4096  # bytes of a log that are looked at
LINES = 5  # of a log, under a stage that failed


def clock(seconds: float) -> str:
    """Such as 3 s, 2:05 or 1:02:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}" if minutes else f"{rest} s"


def last_lines(path: Path, count: int) -> list[str]:
    """The end of a log; what a progress bar has overwritten is left out."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n") if line.strip()][-count:]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        self.quiet = True
        with contextlib.suppress(OSError):  # what is still in the buffer goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class View:
    """Shows what goes on.

    Args:
        seconds: that each stage is known to take.
        logs: where a stage's logs can lie, its own last.
    """

    def __init__(self, seconds: Mapping[str, float], logs: Callable[[str], list[Path]]):
        self.seconds, self.logs = seconds, logs
        self._begin, self._drawn = time.monotonic(), 0.0
        self._failures: list[tuple[str, list[str]]] = []
        self._console = _Console(highlight=False, soft_wrap=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if sys.stdout.isatty() else None
        if self._live:
            self._live.start()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._print(f"{time.strftime('%H:%M:%S')} {text}")

    def _print(self, text: str) -> None:
        with self._output_may_go():
            self._console.print(text, markup=False)

    @contextlib.contextmanager
    def _output_may_go(self) -> Iterator[None]:
        """A terminal or a pipe that is gone ends nothing: from then on nothing is shown."""
        try:
            yield
        except OSError:
            self._console.on_broken_pipe()

    def started(self, job: Job) -> None:
        """A job has started."""
        if not self._live:
            self.say(f"started: {' '.join(job.stages)}{f', {job.grant.where}' if job.grant.where else ''}")

    def done(self, job: Job, seconds: float) -> None:
        """A job has ended well."""
        self.say(f"done: {' '.join(job.stages)}, {clock(seconds)}")

    def failed(self, job: Job, code: int, seconds: float, again: bool) -> None:
        """A stage has failed."""
        self.say(
            f"failed: {job.name}, exit code {code}, {clock(seconds)}{', tried again' if again else ''}; {self._log(job.name)}"
        )
        if not again:
            lines = [line for path in reversed(self.logs(job.name)) for line in last_lines(path, LINES)]
            self._failures.append((job.name, lines))

    def _log(self, stage: str) -> Path:
        paths = self.logs(stage)
        return next((path for path in reversed(paths) if path.exists()), paths[-1])

    def show(self, schedule: Schedule, since: Mapping[str, float]) -> None:
        """Draw the table anew, once a second."""
        now = time.monotonic()
        if self._live and now - self._drawn >= REDRAW:
            self._drawn = now
            with self._output_may_go():
                self._live.update(self._table(schedule, since, now), refresh=True)

    def _table(self, schedule: Schedule, since: Mapping[str, float], now: float) -> Table:
        table = Table(title=self._title(schedule, since, now), title_justify="left", box=None, expand=True, pad_edge=False)
        table.add_column("stage", no_wrap=True)
        table.add_column("where", no_wrap=True)
        table.add_column("so far", no_wrap=True, justify="right")
        table.add_column("left", no_wrap=True, justify="right")
        table.add_column("last line", ratio=1, no_wrap=True, overflow="ellipsis")
        for name, job in schedule.running.items():
            spent = now - since.get(name, now)
            known = self.seconds.get(name)
            left = clock(max(0.0, known - spent)) if known and len(job.stages) == 1 else ""
            others = f" and {len(job.stages) - 1} more" if len(job.stages) > 1 else ""
            line = " ".join(last_lines(self._log(name), 1))
            table.add_row(name + others, job.grant.where, clock(spent), left, Text(line))
        for name in sorted(schedule.failed):
            table.add_row(Text(name, style="red"), "failed", "", "", Text(str(self._log(name))))
        return table

    def _title(self, schedule: Schedule, since: Mapping[str, float], now: float) -> str:
        counts = f"{len(schedule.done)} of {len(schedule.needs)} stages done, {len(schedule.running)} running"
        counts += f", {len(schedule.waiting)} waiting" + (f", {len(schedule.failed)} failed" if schedule.failed else "")
        left = self._left(schedule, since, now)
        return f"{counts}; {clock(now - self._begin)} so far" + (f", about {clock(left)} left" if left else "")

    def _left(self, schedule: Schedule, since: Mapping[str, float], now: float) -> float | None:
        """Seconds: the longer of the longest path, and of all work shared by as many as run now; None where little is known."""
        todo = {stage for stage in schedule.waiting if stage in schedule.stale or schedule.needs[stage] - schedule.done}
        if any(stage not in self.seconds and not schedule.takes[stage].short for stage in todo | schedule.running.keys()):
            return None
        rest = {stage: self.seconds.get(stage, 3.0) for stage in todo}
        for name, job in schedule.running.items():
            known = sum(self.seconds.get(stage, 3.0) for stage in job.stages)
            rest[name] = max(1.0, known - (now - since.get(name, now)))
        path = max((schedule.urgency[stage] for stage in rest), default=0.0)
        return max(path if todo else max(rest.values(), default=0.0), sum(rest.values()) / max(1, len(schedule.running)))

    def close(self, schedule: Schedule, stopped: bool) -> None:
        """The end: what was done, what failed with the last lines of its log, what was not run."""
        if self._live:
            with self._output_may_go():
                self._live.stop()
        for name, lines in self._failures:
            self._print(f"\n{name} failed; {self._log(name)} ends:")
            for line in lines:
                self._print(f"    {line}")
        if schedule.never:
            self._print(f"\nnot run, for what they need failed: {' '.join(sorted(schedule.never))}")
        took = clock(time.monotonic() - self._begin)
        word = "stopped" if stopped else "done" if not schedule.failed else "ended"
        counts = f"{len(schedule.done)} of {len(schedule.needs)} stages are up to date"
        self.say(f"{word} after {took}: {counts}{'; the same command goes on' if stopped else ''}")
