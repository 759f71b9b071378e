"""What a person sees of a long stage, and the history that it leaves: one row an epoch."""

import csv
import io
import sys
import time
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from eoinas import files


class RunLog:
    """History rows, a progress bar with ETA on a terminal, one line an epoch elsewhere, and the seconds spent.

    Args:
        title: of the stage.
        epochs, steps: how many there are, and steps of each.
        shown: False: keep the history only, for one of several processes that do the same.
    """

    def __init__(self, title: str, epochs: int, steps: int, shown: bool = True):
        self.rows: list[dict] = []
        self._shown = shown
        self._before, self._start = 0.0, time.monotonic()
        self._title, self._epochs, self._steps = title, epochs, steps
        self._bar = tqdm(
            total=epochs * steps,
            desc=title,
            unit="step",
            mininterval=0.5,
            dynamic_ncols=True,
            disable=not (shown and sys.stderr.isatty()),
        )

    def restore(self, rows: list[dict], seconds: float, steps: int) -> None:
        """Go on where a killed run was: its history, the seconds it had spent, and the steps done of the present epoch."""
        self.rows, self._before = rows, seconds
        self._bar.initial = self._bar.n = self._bar.last_print_n = len(rows) * self._steps + steps

    @property
    def seconds(self) -> float:
        """Wall time of this stage so far, the killed runs' up to their last checkpoint included."""
        return self._before + time.monotonic() - self._start

    def step(self, values: dict[str, Tensor]) -> None:
        """One step is done; ``values``, scalars, are read only when the bar is drawn, for that may wait for the device."""
        if self._bar.update(1):
            shown = " ".join(f"{name} {value.item():.3f}" for name, value in values.items())
            self._bar.set_postfix_str(f"epoch {len(self.rows) + 1}/{self._epochs} {shown}", refresh=False)

    def epoch(self, **row: float | None) -> None:
        """An epoch is done; ``row`` becomes a line of the history."""
        self.rows.append(row)
        if self._shown and self._bar.disable:
            left = self.seconds / len(self.rows) * (self._epochs - len(self.rows))
            shown = " ".join(f"{name} {_number(value)}" for name, value in row.items() if name != "epoch" and value is not None)
            print(f"{self._title}: epoch {len(self.rows)}/{self._epochs} {shown} | {left:.0f} s left", flush=True)

    def close(self) -> None:
        """End the progress bar and say how long it took."""
        self._bar.close()
        if self._shown:
            print(f"{self._title}: {self._epochs} epochs in {self.seconds:.1f} s", flush=True)

    def write(self, path: Path) -> None:
        """Write the history as CSV; a value that an epoch does not have is an empty field."""
        table = io.StringIO()
        writer = csv.DictWriter(table, list(self.rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: "" if value is None else _number(value) for name, value in row.items()} for row in self.rows)
        files.write_text(path, table.getvalue())


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
