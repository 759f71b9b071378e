"""The driver is killed again and again while it runs the demo: ``python -m tests.fan_faults [KILLS]``, 20 unless told.

A copy of the project without results is run by ``python -m eoinas.fan --jobs N``, N the number of cores. At random moments the
driver is killed with SIGKILL, in turn alone, with every process of DVC, and with all that it has started; then it is started
again. In the end dvc.lock and reports/ are to be what lies in the checkout, which has to be up to date.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from eoinas.fan import places
from eoinas.fan.driver import MARK
from tests.faults import ROOT

KINDS = ("the driver", "the driver and DVC", "everything")


def copy(folder: Path) -> None:
    """The checkout's own files; dvc.lock is there, so that its order is, and no result is."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)


def start(folder: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1"}
    with open(folder / ".driver.log", "a") as log:
        command = [sys.executable, "-m", "eoinas.fan", "--jobs", str(places.cores())]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)


def kill(process: subprocess.Popen, folder: Path, kind: str) -> None:
    """End the driver, and what ``kind`` says with it, at once."""
    process.kill()
    for each in psutil.process_iter():
        try:
            if kind != KINDS[0] and each.environ().get(MARK) == str(folder) and (kind == KINDS[2] or "dvc" in each.cmdline()):
                each.kill()
        except psutil.Error:
            continue
    process.wait()


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    source = random.Random(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "copy"
        copy(folder)
        began = time.monotonic()
        for number in range(kills):
            process = start(folder)
            try:
                process.wait(source.uniform(5, 45))
                print(f"done before kill {number}", flush=True)
                break
            except subprocess.TimeoutExpired:
                kind = KINDS[number % len(KINDS)]
                kill(process, folder, kind)
                print(f"kill {number + 1} of {kills}: {kind}", flush=True)
        process = start(folder)
        process.wait()
        print((folder / ".driver.log").read_text().splitlines()[-1])
        changed = subprocess.run(["git", "status", "--short"], cwd=folder, capture_output=True, text=True, check=True).stdout
        changed = "\n".join(line for line in changed.splitlines() if ".driver.log" not in line)
        print(f"{time.monotonic() - began:.0f} s; exit code {process.returncode}; changed: {changed or 'nothing'}")
        sys.exit(bool(process.returncode or changed))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
