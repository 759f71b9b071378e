"""What every stage does before and around its work: the command line, signals, devices, seeded generators.

torch is imported where it is used, so that stages without tensors start in a fraction of a second.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from eoinas.errors import InputError

if TYPE_CHECKING:
    import torch


class Stopped(Exception):
    """A signal asked the stage to end; raised where its state has been saved."""


_signals: list[int] = []
_SMALLER = "lower batch_size (or eval_batch_size) of this stage's block in params.yaml"
_OUT_OF_MEMORY = {  # what a RuntimeError says, and what to do
    "OutOfMemoryError": _SMALLER,
    "can't allocate memory": _SMALLER,
    "DataLoader worker (pid": "lower workers of this stage's block in params.yaml",  # the system has killed it
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

    A mistake of the user's ends in one line on stderr and exit code 1, a signal in exit code 128 + n.
    """
    names = list(inspect.signature(main).parameters)
    module = sys.modules[main.__module__]
    if len(sys.argv) - 1 != len(names):
        stage = module.__spec__.name if module.__spec__ else main.__module__
        sys.exit(f"usage: python -m {stage} {' '.join(name.upper() for name in names)}")
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
        advice = [_OUT_OF_MEMORY[sign] for sign in _OUT_OF_MEMORY if sign in f"{type(error).__name__} {error}"]
        if not advice:
            raise
        sys.exit(f"error: out of memory ({str(error).splitlines()[0].strip()}); {advice[0]}")
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "; free some space and run again, nothing is half-written" if full else ""
        sys.exit(f"error: {error.filename or 'output'}: {error.strerror or error}{advice}")


def _on_signal(number: int, _frame: object) -> None:
    if _signals:  # asked twice: leave at once
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


def seed_of(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on nothing but its arguments, e.g. ``seed_of(0, "order", epoch)``."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(seed: int, *purpose: str | int) -> torch.Generator:
    """A fresh CPU generator for one purpose; CPU, so that every device sees the same draws."""
    import torch

    return torch.Generator().manual_seed(seed_of(seed, *purpose))


def device(cpu_threads: int) -> torch.device:
    """The device that a stage works on, with torch set to reproducible arithmetic.

    Args:
        cpu_threads: of one operation on a CPU, 0 for torch's default. The order of sums depends on it, and small networks are
            fastest on one.
    """
    import torch

    if cpu_threads:
        torch.set_num_threads(cpu_threads)

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with a fixed workspace
    # The same switch as use_deterministic_algorithms(True), which also imports the compiler and so takes a second a process.
    torch.set_deterministic_debug_mode("error")
    # It would also fill every new tensor before its use; no operator here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")


def device_name() -> str:
    """The name of the device for the search cost, e.g. "NVIDIA GeForce GTX 1080 Ti" or the CPU's model."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        model = platform.machine()
    return f"{model} CPU"
