"""Stages side by side: DVC runs each, this decides when and where. Usage: python -m eoinas.fan --help"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from eoinas.errors import InputError
from eoinas.fan import driver, graph, places, resources
from eoinas.fan.schedule import Schedule
from eoinas.fan.view import View


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(prog="python -m eoinas.fan", description="Run the stages of dvc.yaml side by side.")
    found.add_argument("targets", nargs="*", help="stages or globs, with all that they need; all stages if there are none")
    found.add_argument("--jobs", type=positive, help="stages at once at most; cores are not counted then, unless --cpus is given")
    found.add_argument("--gpus", help="names for CUDA_VISIBLE_DEVICES, such as 0,1; all that there are unless given")
    found.add_argument("--cpus", type=positive, help="cores; all unless given")
    found.add_argument(
        "--slurm", metavar="ARGUMENTS", help="every stage is a job; arguments of sbatch, such as '-p gpu -t 24:00:00'"
    )
    found.add_argument("--shards", type=positive, default=0, help="with --slurm: gres/shard a GPU, for shares of one")
    found.add_argument("--tries", type=positive, default=1, help="how often a stage that fails is run")
    found.add_argument("--pull", action="store_true", help="take from DVC's remote what another machine has run")
    return found


def positive(text: str) -> int:
    """A number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return int(text)


def main() -> int:
    """The exit code."""
    given = (line := parser()).parse_args()
    if given.slurm is not None and (given.gpus is not None or given.cpus is not None):
        line.error("--gpus and --cpus are of this machine; with --slurm what a stage gets is in resources.yaml")
    if given.slurm is None and given.shards:
        line.error("--shards is for --slurm")
    rules = resources.read(resources.FILE)
    if not Path("dvc.yaml").is_file():
        raise InputError("dvc.yaml: no such file; run from the project's top folder")
    with driver.alone():
        driver.end_leftovers()
        if given.slurm is None:
            gpus = places.gpus() if given.gpus is None else [name for name in given.gpus.split(",") if name]
            if given.gpus is not None and not gpus:
                os.environ["CUDA_VISIBLE_DEVICES"] = ""
            # Who says how many at once has counted the cores.
            cpus = given.cpus or (sys.maxsize if given.jobs else places.cores())
            place: places.Place = places.Box(gpus, cpus, given.jobs or cpus)
        else:
            places.jobs("nothing")  # that there is a Slurm
            place = places.Slurm(given.slurm, given.jobs or 64, given.shards)
        needs, stale, astray = graph.read(given.targets)
        takes = resources.of(needs, rules)
        for stage, need in takes.items():
            place.check(stage, need)
        seconds = driver.known_seconds()
        schedule = Schedule(needs, takes, place, driver.guesses(needs, takes, seconds), stale)
        view = View(seconds, driver.logs_of)
        look = (lambda: graph.read(given.targets).stale) if astray else None
        return driver.Driver(schedule, view, given.tries, given.pull, look).run()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {error.filename or 'output'}: {error.strerror or error}")
    except subprocess.SubprocessError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:  # before anything runs
        sys.exit(128 + signal.SIGINT)
