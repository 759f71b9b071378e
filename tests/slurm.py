"""A Slurm of one node on this machine, all on loopback, for tests: ``with cluster(folder) as environment``.

It needs the Debian packages slurm-wlm and munge, and root. Nothing outside ``folder`` is touched: the daemons have their own
configuration, key, socket and state there. Two device files that exist everywhere are the fake GPUs, each of two shards. Jobs of
the partition `high` take the place of those of `low`, which go back into the queue.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "mungekey", "sbatch", "squeue", "scancel", "scontrol")
CONFIGURATION = """\
ClusterName=toy
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
SlurmdPort={other}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=500000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
GresTypes=gpu,shard
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 \\
  ThreadsPerCore=1 RealMemory=1000 Gres=gpu:2,shard:4
PartitionName=low Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=high Nodes={host} MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
GPUS = """\
AutoDetect=off
NodeName={host} Name=gpu File=/dev/null
NodeName={host} Name=gpu File=/dev/zero
NodeName={host} Name=shard Count=4
"""


def missing() -> str | None:
    """Why there can be no cluster here."""
    if os.geteuid():
        return "Slurm's daemons are started as root"
    absent = [name for name in PROGRAMS if not program(name)]
    return f"no {', '.join(absent)}: install slurm-wlm and munge" if absent else None


def program(name: str) -> str | None:
    """Where it is; daemons are not on everyone's PATH."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start the daemons, yield what the environment of Slurm's commands needs, end everything."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    names = {"host": socket.gethostname().partition(".")[0], "folder": folder, "port": free_port(), "other": free_port()}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(**names))
    (folder / "gres.conf").write_text(GPUS.format(**names))
    key = folder / "munge.key"
    subprocess.run([program("mungekey"), "--create", f"--keyfile={key}"], check=True)
    key.chmod(0o600)
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    munged = [program("munged"), "--force", "--foreground", f"--key-file={key}", f"--socket={folder / 'munge.socket'}"]
    munged += [
        f"--pid-file={folder / 'munged.pid'}",
        f"--log-file={folder / 'munged.log'}",
        f"--seed-file={folder / 'munged.seed'}",
    ]
    daemons = []
    try:
        with open(folder / "daemons.log", "w") as log:
            for command in (munged, [program("slurmctld"), "-D"], [program("slurmd"), "-D"]):
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
                time.sleep(0.5)
        wait_until_idle(environment, folder)
        yield environment
    finally:
        subprocess.run(["scancel", "--me"], env=environment, check=False, stderr=subprocess.DEVNULL)
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(15)
            daemon.kill()


def wait_until_idle(environment: dict[str, str], folder: Path) -> None:
    """Until the node takes jobs."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        done = subprocess.run(["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True, check=False)
        if "idle" in done.stdout:
            return
        time.sleep(0.5)
    raise RuntimeError(f"no idle node: {done.stdout} {done.stderr} {(folder / 'daemons.log').read_text()[-2000:]}")
