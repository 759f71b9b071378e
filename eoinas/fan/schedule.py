"""Which stages start next: the same for the driver, which runs them, and for the plan, which imagines it."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from eoinas.fan import graph
from eoinas.fan.places import Grant, Place
from eoinas.fan.resources import Need

BATCH = 12  # short stages in one process at most


class Job(NamedTuple):
    """Stages that start together, in turn, in one process of DVC; but for short ones it is one."""

    stages: tuple[str, ...]
    grant: Grant

    @property
    def name(self) -> str:
        """Of what it holds and logs: its first stage."""
        return self.stages[0]


class Schedule:
    """The stages that wait, run, are done and failed.

    Args:
        needs: the graph.
        takes: what each stage takes of the place.
        place: where they run.
        seconds: that each takes, as far as is known; it decides the order alone.
        stale: stages that are out of date; the others are skipped unless what they need changes.
        batches: whether short stages go together.
    """

    def __init__(
        self,
        needs: graph.Needs,
        takes: Mapping[str, Need],
        place: Place,
        seconds: Mapping[str, float],
        stale: set[str],
        batches: bool = True,
    ):
        self.needs, self.takes, self.place, self.stale, self.batches = needs, takes, place, set(stale), batches
        self.urgency = graph.urgency(needs, seconds)
        self.waiting = sorted(needs, key=lambda stage: -self.urgency[stage])  # the most urgent first
        self.running: dict[str, Job] = {}  # by the name of the job
        self.done: set[str] = set()
        self.failed: set[str] = set()
        self.never: set[str] = set()  # what they need failed
        self.alone: set[str] = set()  # short ones of a batch that failed
        self._after: dict[str, set[str]] = {stage: set() for stage in needs}
        for stage, before in needs.items():
            for each in before:
                self._after[each].add(stage)

    @property
    def over(self) -> bool:
        """Whether nothing runs and nothing can."""
        return not self.running and not self.waiting

    def start(self) -> Iterator[Job]:
        """The jobs for which there is room now, most urgent first; each counts as running from here on."""
        self._skip()
        for stage in list(self.waiting):
            if stage not in self.waiting or not self.needs[stage] <= self.done:
                continue
            room = self.place.room(self.takes[stage])
            if (grant := self.place.take(stage, self.takes[stage])) is None:
                continue
            stages = self._batch(stage, room) if self.takes[stage].short and self.batches else [stage]
            self.waiting = [each for each in self.waiting if each not in stages]
            self.running[stage] = Job(tuple(stages), grant)
            yield self.running[stage]

    def _skip(self) -> None:
        """What waits for nothing and is up to date is done; what needs something that failed will never run."""
        for stage in self.needs:  # every stage behind what it needs
            if stage in self.waiting:
                if self.needs[stage] & (self.failed | self.never):
                    self.never.add(stage)
                elif self.needs[stage] <= self.done and stage not in self.stale:
                    self.done.add(stage)
                else:
                    continue
                self.waiting.remove(stage)

    def _batch(self, first: str, room: int) -> list[str]:
        """``first`` and other short stages that can run with it in turn, a fair share of those that can run now."""
        if first in self.alone:
            return [first]
        able = [first]
        for stage in self.needs:
            if stage in self.waiting and stage != first and self.takes[stage].short and stage not in self.alone:
                ready = self.needs[stage] <= self.done | set(able)
                if ready and (stage in self.stale or self.needs[stage] & set(able)):
                    able.append(stage)
        ready_now = sum(self.needs[stage] <= self.done for stage in able)
        count = min(BATCH, math.ceil(len(able) / min(max(1, room), ready_now)))
        chosen = [first]
        for stage in sorted(able[1:], key=lambda each: (-self.urgency[each], able.index(each))):
            if len(chosen) < count and self.needs[stage] <= self.done | set(chosen):
                chosen.append(stage)
        return chosen

    def succeeded(self, job: Job, changed: Callable[[str], bool]) -> None:
        """A job has ended well; what needs a stage whose outputs ``changed`` is out of date."""
        self._ended(job)
        for stage in job.stages:
            self.done.add(stage)
            if changed(stage):
                self.stale |= self._after[stage]

    def again(self, job: Job) -> None:
        """A job is to run once more, the stages of a batch alone."""
        self._ended(job)
        if len(job.stages) > 1:
            self.alone.update(job.stages)
        self.stale.update(job.stages)  # it may have got so far that it is out of date
        self.waiting = sorted([*self.waiting, *job.stages], key=lambda stage: -self.urgency[stage])

    def gave_up(self, job: Job) -> None:
        """A job of one stage has failed for good."""
        self._ended(job)
        self.failed.update(job.stages)

    def reopen(self, stale: set[str]) -> None:
        """Of what is done these are out of date after all, and what needs them may become so."""
        self.stale = stale
        again = stale & self.done
        for stage in self.needs:  # every stage behind what it needs
            if stage in self.done and self.needs[stage] & again:
                again.add(stage)
        self.done -= again
        self.waiting = sorted(again, key=lambda stage: -self.urgency[stage])

    def _ended(self, job: Job) -> None:
        del self.running[job.name]
        self.place.give(job.name)
