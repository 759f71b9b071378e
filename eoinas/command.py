"""What is around the work of a stage and cannot change it: the command line, messages, signals."""

from __future__ import annotations

import ctypes
import errno
import inspect
import signal
import sys
from collections.abc import Callable

from eoinas.errors import InputError


class Stopped(Exception):
    """A signal asked the stage to end; raised where its state has been saved."""


_signals: list[int] = []
_SMALLER = "raise accumulate, where there is one, or lower batch_size (or eval_batch_size) of this stage's block in params.yaml"
_COMPILER = "install g++ or set compile of this stage's block in params.yaml to false"
_KNOWN = {  # what a RuntimeError's name or text says: what that is, and what to do
    "OutOfMemoryError": ("out of memory", _SMALLER),
    "can't allocate memory": ("out of memory", _SMALLER),
    "DataLoader worker (pid": ("out of memory", "lower machine.workers in params.yaml"),  # the system has killed it
    "InvalidCxxCompiler": ("torch.compile needs a C++ compiler", _COMPILER),
    "Failed to find C compiler": ("torch.compile needs a C compiler", _COMPILER),  # Triton's
}


def stopping() -> bool:
    """Whether SIGTERM or Ctrl-C has asked this process to save its state and end."""
    return bool(_signals)


def leave_if_asked() -> None:
    """Raise Stopped where this process has been asked to end and has nothing to save."""
    if stopping():
        raise Stopped("the next run does this part again")


def run(main: Callable[..., None]) -> None:
    """Call ``main`` with the command line's matrix items, all of them strings.

    What the script takes its docstring says after "Usage:". A mistake of the user's ends in one line on stderr and exit code 1, a
    signal in exit code 128 + n.
    """
    described = inspect.getdoc(sys.modules[main.__module__]) or ""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(described)
        return
    if len(sys.argv) - 1 != len(inspect.signature(main).parameters):
        sys.exit(f"usage: {described.partition('Usage: ')[2].splitlines()[0]}")
    _end_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
    except Stopped as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        sys.exit(128 + _signals[0])
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except MemoryError:
        sys.exit(f"error: out of memory; {_SMALLER}")
    except RuntimeError as error:
        known = [_KNOWN[sign] for sign in _KNOWN if sign in f"{type(error).__name__} {error}"]
        if not known:
            raise
        (what, advice), *_ = known
        sys.exit(f"error: {what} ({str(error).splitlines()[0].strip()}); {advice}")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        room = "; free some space and run again, nothing is half-written" if full else ""
        sys.exit(f"error: {error.filename or 'output'}: {error.strerror or error}{room}")


def _on_signal(number: int, _frame: object) -> None:
    if _signals and number == signal.SIGINT:  # a person asks again: leave at once; job systems repeat SIGTERM as they like
        raise KeyboardInterrupt
    _signals.append(number)
    if not _patient:
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


_patient: list[bool] = []


def wait_for_checkpoint() -> None:
    """From here on a first signal only sets ``stopping``; the loop that polls it saves its state and raises Stopped."""
    _patient.append(True)


def _end_with_parent() -> None:
    """Have Linux end this process when dvc dies, so that no training is left behind."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
