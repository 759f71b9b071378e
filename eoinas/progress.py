"""What a person sees of a long stage: a progress bar with ETA on a terminal, one line an epoch elsewhere."""

import sys
from collections.abc import Mapping

from torch import Tensor
from tqdm import tqdm


class Progress:
    """Shows how far a stage is; what it is told changes nothing.

    Args:
        title: of the stage.
        epochs, steps: how many there are, and steps of each.
        shown: False: say nothing, for one of several processes that do the same.
    """

    def __init__(self, title: str, epochs: int, steps: int, shown: bool = True):
        self._shown = shown
        self._title, self._epochs, self._steps = title, epochs, steps
        self._bar = tqdm(
            total=epochs * steps,
            desc=title,
            unit="step",
            mininterval=0.5,
            dynamic_ncols=True,
            disable=not (shown and sys.stderr.isatty()),
        )

    def restore(self, epochs: int, steps: int) -> None:
        """Go on where a killed run was: after so many epochs and steps of the next."""
        self._bar.initial = self._bar.n = self._bar.last_print_n = epochs * self._steps + steps

    def step(self, epoch: int, values: Mapping[str, Tensor]) -> None:
        """One step is done; ``values``, scalars, are read only when the bar is drawn, for that may wait for the device."""
        if self._bar.update(1):
            shown = " ".join(f"{name} {value.item():.3f}" for name, value in values.items())
            self._bar.set_postfix_str(f"epoch {epoch}/{self._epochs} {shown}", refresh=False)

    def epoch(self, done: int, row: Mapping[str, float | None], seconds: float) -> None:
        """So many epochs are done in so many seconds; ``row`` is the last of the history."""
        if self._shown and self._bar.disable:
            left = seconds / done * (self._epochs - done)
            shown = " ".join(f"{name} {value:.6g}" for name, value in row.items() if name != "epoch" and value is not None)
            print(f"{self._title}: epoch {done}/{self._epochs} {shown} | {left:.0f} s left", flush=True)

    def close(self, seconds: float) -> None:
        """End the progress bar and say how long it took."""
        self._bar.close()
        if self._shown:
            print(f"{self._title}: {self._epochs} epochs in {seconds:.1f} s", flush=True)
