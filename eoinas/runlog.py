"""The history that a long stage leaves, one row an epoch, and the seconds spent."""

import csv
import io
import math
import time
from pathlib import Path

from torch import Tensor

from eoinas import files
from eoinas.progress import Progress


class RunLog:
    """History rows and the seconds spent; what a person sees of them is ``Progress``'s.

    Args:
        title: of the stage.
        epochs, steps: how many there are, and steps of each.
        shown: False: keep the history only, for one of several processes that do the same.
    """

    def __init__(self, title: str, epochs: int, steps: int, shown: bool = True):
        self.rows: list[dict] = []
        self._before, self._start = 0.0, time.monotonic()
        self._progress = Progress(title, epochs, steps, shown)

    def restore(self, rows: list[dict], seconds: float, steps: int) -> None:
        """Go on where a killed run was: its history, the seconds it had spent, and the steps done of the present epoch."""
        self.rows, self._before = rows, seconds
        self._progress.restore(len(rows), steps)

    @property
    def seconds(self) -> float:
        """Wall time of this stage so far, the killed runs' up to their last checkpoint included."""
        return self._before + time.monotonic() - self._start

    def step(self, values: dict[str, Tensor]) -> None:
        """One step is done; ``values`` are scalars."""
        self._progress.step(len(self.rows) + 1, values)

    def epoch(self, **row: float | None) -> None:
        """An epoch is done; ``row`` becomes a line of the history."""
        self.rows.append(row)
        self._progress.epoch(len(self.rows), row, self.seconds)

    def close(self) -> None:
        """Nothing more will come."""
        self._progress.close(self.seconds)

    def cost(self, device: str) -> dict[str, float | str]:
        """Wall time in days, rounded down to a hundredth so that the time of a short stage decides no byte, and the device."""
        return {"days": math.floor(self.seconds / 864) / 100, "device": device}

    def write(self, path: Path) -> None:
        """Write the history as CSV; a value that an epoch does not have is an empty field."""
        table = io.StringIO()
        writer = csv.DictWriter(table, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: "" if value is None else _number(value) for name, value in row.items()} for row in self.rows)
        files.write_text(path, table.getvalue())


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
