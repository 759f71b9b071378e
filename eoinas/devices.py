"""The device that a stage works on, with torch set to reproducible arithmetic."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


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
    # float32 is float32 on every GPU: no TensorFloat-32.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")


def moved(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """``values`` on the device; the host does not wait for what the device does before."""
    if device.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


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
