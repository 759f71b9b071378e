"""The schedule without the work: how long a graph would take on so many GPUs, and what bounds it."""

import heapq
from collections.abc import Mapping
from typing import NamedTuple

from eoinas.fan import graph
from eoinas.fan.places import Box
from eoinas.fan.resources import Need
from eoinas.fan.schedule import Schedule


class Outcome(NamedTuple):
    """Of a graph on a number of GPUs, in seconds."""

    gpus: int
    makespan: float  # from the first start to the last end
    busy: float  # GPU-seconds that stages hold
    ends: dict[str, float]  # of each stage

    @property
    def idle(self) -> float:
        """The share of the GPUs' time in which no stage holds them."""
        return 1 - self.busy / (self.gpus * self.makespan)


def imagined(needs: graph.Needs, takes: Mapping[str, Need], seconds: Mapping[str, float], gpus: int) -> Outcome:
    """What the driver would do with ``gpus`` GPUs and cores enough, every stage taking the seconds given.

    Raises:
        InputError: a stage takes more GPUs than there are.
    """
    box = Box([str(number) for number in range(gpus)], cpus=10**9, jobs=10**9)
    for stage, need in takes.items():
        box.check(stage, need)
    schedule = Schedule(needs, takes, box, seconds, set(needs), batches=False)
    now, ends = 0.0, {}
    running: list[tuple[float, str]] = []
    while not schedule.over:
        for job in schedule.start():
            heapq.heappush(running, (now + seconds[job.name], job.name))
        now, name = heapq.heappop(running)
        ends[name] = now
        schedule.succeeded(schedule.running[name], lambda stage: True)
    return Outcome(gpus, now, sum(takes[stage].gpu * seconds[stage] for stage in needs), ends)


def longest_path(needs: graph.Needs, seconds: Mapping[str, float]) -> list[str]:
    """The stages, first to last, that no number of GPUs makes faster."""
    urgency, path = graph.urgency(needs, seconds), []
    waiting = {stage for stage, before in needs.items() if not before}
    while waiting:
        path.append(max(sorted(waiting), key=urgency.__getitem__))
        waiting = {stage for stage, before in needs.items() if path[-1] in before}
    return path
