"""The graph of stages as DVC tells it: what each stage needs, what is out of date, what a stage has written."""

import fnmatch
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from eoinas.errors import InputError

DVC = [sys.executable, "-m", "dvc", "--wait-for-lock"]
LOCK = Path("dvc.lock")
Needs = dict[str, set[str]]  # of each stage, in an order in which they can run, the stages that write what it depends on


class Graph(NamedTuple):
    """What is to be run."""

    needs: Needs
    stale: set[str]  # stages that are out of date by what lies in the workspace
    # Whether in the place of a stage's output lies something else than dvc.lock says, as after a pull: where that stage puts it
    # right, what needs it may be out of date without a change of the stage's entry in dvc.lock.
    astray: bool


def read(targets: Iterable[str]) -> Graph:
    """The stages that ``targets`` are or need, and their state.

    Args:
        targets: names of stages or globs; all stages if there are none.

    Raises:
        InputError: DVC refuses, or a target is no stage.
    """
    asked = [_start("dag", "--dot"), _start("status", "--json")]
    dot, status = (_answer(process) for process in asked)
    needs = restricted(parsed(dot), targets)
    found = {stage: why for stage, why in json.loads(status or "{}").items() if stage in needs}
    outputs = (each.get("changed outs", {}) for why in found.values() for each in why if isinstance(each, dict))
    return Graph(needs, set(found), any(set(states.values()) - {"deleted"} for states in outputs))


def _start(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen([*DVC, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _answer(process: subprocess.Popen) -> str:
    output, errors = process.communicate()
    if process.returncode:
        lines = [line for line in errors.splitlines() if line.strip()]
        raise InputError(f"dvc: {lines[0].removeprefix('ERROR: ') if lines else f'exit code {process.returncode}'}")
    return output


def parsed(dot: str) -> Needs:
    """The graph of ``dvc dag --dot``."""
    needs: Needs = {name: set() for name in re.findall(r'^"([^"]+)";$', dot, re.M)}
    for before, after in re.findall(r'^"([^"]+)" -> "([^"]+)";$', dot, re.M):
        needs.setdefault(before, set())
        needs.setdefault(after, set()).add(before)
    return in_order(needs)


def in_order(needs: Mapping[str, set[str]]) -> Needs:
    """The same, every stage behind all that it needs."""
    result: Needs = {}
    waiting = dict(needs)
    while waiting:
        ready = [name for name, before in waiting.items() if before <= result.keys()]
        result |= {name: waiting.pop(name) for name in ready}
    return result


def restricted(needs: Needs, targets: Iterable[str]) -> Needs:
    """The part of the graph that ``targets`` are or need.

    Raises:
        InputError: a target is no stage.
    """
    targets = list(targets)
    wanted = set() if targets else set(needs)
    for target in targets:
        # As DVC has it, a name without @ is all items of that stage.
        found = [name for name in needs if fnmatch.fnmatchcase(name, target) or name.partition("@")[0] == target]
        if not found:
            raise InputError(f"dvc.yaml: no stage is called or fits '{target}'; `dvc stage list --name-only` has the names")
        wanted.update(found)
    for name in reversed(needs):
        if name in wanted:
            wanted |= needs[name]
    return {name: before for name, before in needs.items() if name in wanted}


def urgency(needs: Needs, seconds: Mapping[str, float]) -> dict[str, float]:
    """For each stage the seconds from its start to the end of all that waits for it: the longest path."""
    result: dict[str, float] = dict.fromkeys(needs, 0.0)
    for name in reversed(needs):
        result[name] += seconds[name]
        for before in needs[name]:
            result[before] = max(result[before], result[name])
    return result


def written(stages: Iterable[str]) -> dict[str, object]:
    """What dvc.lock says of the outputs of stages; None where it says nothing or is being written."""
    try:
        with open(LOCK, encoding="utf-8") as file:
            locked = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"]
        return {stage: locked.get(stage, {}).get("outs") for stage in stages}
    except (OSError, KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError):
        return dict.fromkeys(stages)
