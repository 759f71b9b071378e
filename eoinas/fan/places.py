"""Where stages run: the GPUs and cores of this machine, or a Slurm cluster."""

import hashlib
import os
import re
import shlex
import subprocess
import time
from pathlib import Path
from typing import NamedTuple, Protocol

from eoinas.errors import InputError
from eoinas.fan.resources import FILE, Need

AGAIN = 30.0  # seconds until a Slurm that did not answer is asked again
LEAST = 1e-9  # shares of a GPU are sums of fractions
ON_SLURM = Path(__file__).with_name("on_slurm")


class Grant(NamedTuple):
    """What a stage got."""

    environment: dict[str, str]
    where: str  # for a person


class Place(Protocol):
    """Takes stages as long as there is room."""

    def check(self, stage: str, need: Need) -> None:
        """Raise InputError where ``need`` is more than there is, ever."""

    def room(self, need: Need) -> int:
        """How many stages of this need there is room for now."""

    def take(self, stage: str, need: Need) -> Grant | None:
        """Room for a stage; None where there is none now."""

    def give(self, stage: str) -> None:
        """The stage has ended."""


class Box:
    """One machine: a stage gets a share of one GPU, the fullest that has room, or several whole ones.

    Args:
        gpus: names for CUDA_VISIBLE_DEVICES; a machine without any runs everything on its cores.
        cpus: cores.
        jobs: stages at once at most.
    """

    def __init__(self, gpus: list[str], cpus: int, jobs: int):
        self.free, self.cpus, self.all_cpus, self.jobs = dict.fromkeys(gpus, 1.0), cpus, cpus, jobs
        self.held: dict[str, tuple[dict[str, float], int]] = {}

    def check(self, stage: str, need: Need) -> None:
        """As ``Place``."""
        if self.free and need.gpu > len(self.free):
            raise InputError(f"{FILE}: {stage} takes {need.gpu:g} GPUs, there are {len(self.free)} here; lower its gpu")

    def room(self, need: Need) -> int:
        """As ``Place``."""
        return min(self.jobs - len(self.held), self.cpus // min(need.cpu, self.all_cpus))

    def take(self, stage: str, need: Need) -> Grant | None:
        """As ``Place``."""
        if self.room(need) < 1 or (share := self._gpus(need.gpu)) is None:
            return None
        cpu = min(need.cpu, self.all_cpus)
        for name, part in share.items():
            self.free[name] -= part
        self.cpus -= cpu
        self.held[stage] = share, cpu
        if not self.free:
            return Grant({}, "")
        devices = ",".join(share)
        where = f"GPU {devices}{f' ({need.gpu:g})' if need.gpu < 1 else ''}" if share else ""
        return Grant({"CUDA_VISIBLE_DEVICES": devices, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, where)

    def _gpus(self, gpu: float) -> dict[str, float] | None:
        """Which GPUs give what; None where that is not free."""
        if not self.free or not gpu:
            return {}
        if gpu < 1:
            fitting = sorted((room, name) for name, room in self.free.items() if room >= gpu - LEAST)
            return {fitting[0][1]: gpu} if fitting else None
        whole = [name for name, room in self.free.items() if room >= 1 - LEAST][: int(gpu)]
        return dict.fromkeys(whole, 1.0) if len(whole) == gpu else None

    def give(self, stage: str) -> None:
        """As ``Place``."""
        share, cpu = self.held.pop(stage)
        self.cpus += cpu
        for name, part in share.items():
            self.free[name] += part


class Slurm:
    """A cluster: a stage is a job, and Slurm keeps the queue. Short stages run beside the driver.

    Args:
        arguments: of sbatch, for all jobs.
        jobs: stages in flight at most; each is a process of DVC here, which waits.
        shards: that a GPU is split into, for shares of one; 0: no shares, a stage that takes some gets a whole GPU.
    """

    def __init__(self, arguments: str, jobs: int, shards: int):
        self.arguments, self.jobs, self.shards = arguments, jobs, shards
        self.held: set[str] = set()
        self.back = 0.0  # when a controller that did not answer is asked again
        # Names of jobs hold the folder, so that two checkouts do not take each other's for leftovers.
        folder = str(Path.cwd())
        self.prefix = re.sub(r"\W", "_", folder) + "_" + hashlib.sha256(folder.encode()).hexdigest()[:8]

    def check(self, stage: str, need: Need) -> None:
        """As ``Place``; whether a node has so much is for Slurm to say."""

    def room(self, need: Need) -> int:
        """As ``Place``."""
        return self.jobs - len(self.held)

    def take(self, stage: str, need: Need) -> Grant | None:
        """As ``Place``; none while the controller is away."""
        if self.room(need) < 1 or (not need.short and time.monotonic() < self.back):
            return None
        if need.short:
            self.held.add(stage)
            return Grant({"CUDA_VISIBLE_DEVICES": ""}, "here")
        try:
            self._end_leftovers(name := f"{self.prefix}:{stage}")
        except Away:
            self.back = time.monotonic() + AGAIN
            return None
        self.held.add(stage)
        arguments = " ".join(filter(None, (f"-c {need.cpu}", self._gres(need.gpu), self.arguments, need.sbatch)))
        return Grant({"SHELL": str(ON_SLURM), "EOINAS_JOB": name, "EOINAS_SBATCH": arguments}, "Slurm")

    def _gres(self, gpu: float) -> str:
        if 0 < gpu < 1 and self.shards:
            return f"--gres=shard:{max(1, round(gpu * self.shards))}"
        return f"--gres=gpu:{max(1, int(gpu))}" if gpu else ""

    def _end_leftovers(self, name: str) -> None:
        """Cancel jobs of a driver that was killed; they save their states."""
        end = time.monotonic() + 300
        while jobs(name):
            subprocess.run(["scancel", f"--name={name}", "--me"], check=False)
            time.sleep(1)
            if time.monotonic() > end:
                raise InputError(f"slurm: the job {name} of an earlier run does not end; `scancel --name={shlex.quote(name)}`")

    def give(self, stage: str) -> None:
        """As ``Place``."""
        self.held.remove(stage)


class Away(InputError):
    """Slurm does not answer."""


def jobs(name: str) -> str:
    """What squeue says of jobs of this name.

    Raises:
        InputError: there is no squeue.
        Away: it fails.
    """
    try:
        done = subprocess.run(["squeue", "-h", "--me", f"--name={name}"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InputError("slurm: there is no squeue on this machine; --slurm is for a cluster's login node") from None
    if done.returncode:
        raise Away(f"slurm: {' '.join(done.stderr.split()) or 'squeue fails'}")
    return done.stdout.strip()


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The GPUs of this machine that this process may use, by number or as CUDA_VISIBLE_DEVICES names them."""
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        names = [name for name in visible.split(",") if name]
        return names[: next((place for place, name in enumerate(names) if name.startswith("-")), None)]  # as CUDA has it
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    return [str(number) for number, _ in enumerate(re.findall(r"^GPU \d+", done.stdout, re.M))] if done.returncode == 0 else []
