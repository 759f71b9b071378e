"""The driver that runs stages side by side: the graph, the schedule, what stages take; and whole runs of a small graph."""

import random
import re

import pytest

from eoinas.errors import InputError
from eoinas.fan import graph, places, resources
from eoinas.fan.resources import Need
from eoinas.fan.schedule import Schedule

DOT = """strict digraph {
"a";
"b@0";
"b@1";
"c";
"d";
"a" -> "b@0";
"a" -> "b@1";
"b@0" -> "c";
"b@1" -> "c";
}
"""
NEEDS = {"a": set(), "d": set(), "b@0": {"a"}, "b@1": {"a"}, "c": {"b@0", "b@1"}}


# The graph


def test_the_graph_is_read_with_every_stage_behind_what_it_needs() -> None:
    found = graph.parsed(DOT)
    assert found == NEEDS
    assert list(found) == ["a", "d", "b@0", "b@1", "c"]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([], set(NEEDS)),
        (["b@1"], {"a", "b@1"}),
        (["b"], {"a", "b@0", "b@1"}),
        (["b@*", "d"], {"a", "b@0", "b@1", "d"}),
        (["c"], set(NEEDS) - {"d"}),
    ],
)
def test_targets_come_with_all_that_they_need(targets: list[str], expected: set[str]) -> None:
    found = graph.restricted(NEEDS, targets)
    assert set(found) == expected
    assert list(found) == [name for name in NEEDS if name in expected]


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(InputError, match=r"dvc.yaml: no stage is called or fits 'e@\*'"):
        graph.restricted(NEEDS, ["a", "e@*"])


def test_urgency_is_the_longest_path_to_the_end() -> None:
    seconds = {"a": 1.0, "b@0": 10.0, "b@1": 2.0, "c": 5.0, "d": 7.0}
    assert graph.urgency(NEEDS, seconds) == {"a": 16.0, "b@0": 15.0, "b@1": 7.0, "c": 5.0, "d": 7.0}


# What stages take


def write(tmp_path, text: str):
    path = tmp_path / "resources.yaml"
    path.write_text(text)
    return path


def test_the_first_glob_that_fits_says_what_a_stage_takes(tmp_path) -> None:
    rules = resources.read(
        write(tmp_path, '"b@1": {gpu: 2, cpu: 4}\n"b@*": {gpu: 0.5}\n"c": {short: true, sbatch: "--mem=4G"}\n')
    )
    found = resources.of(NEEDS, rules)
    assert found["b@1"] == Need(gpu=2.0, cpu=4)
    assert found["b@0"] == Need(gpu=0.5)
    assert found["c"] == Need(short=True, sbatch="--mem=4G")
    assert found["a"] == found["d"] == Need()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search@*: {gpu: 0.5", "not YAML"),
        ("- a\n", "must map globs of stages"),
        ("'a': {gpus: 1}\n", r"a.gpus: Extra inputs are not permitted"),
        ("'a': {gpu: 1.5}\n", r"a.gpu: above 1 only whole GPUs, not 1.5"),
        ("'a': {gpu: -1}\n", r"a.gpu: .* not -1"),
        ("'a': {cpu: 0}\n", r"a.cpu: .* not 0"),
        ("'a': {cpu: two}\n", r"a.cpu: .* not 'two'"),
        ("'a': 1\n", r"a: .* not 1"),
        ("'a': {cpu: 1}\n'a': {cpu: 2}\n", r"the key 'a' stands twice"),
        ("x: 2024-13-45\n", "not YAML"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_a_broken_file_of_resources_is_one_line(tmp_path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: .*{message}") as caught:
        resources.read(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_of_resources_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"resources.yaml: No such file"):
        resources.read(tmp_path / "resources.yaml")


# A machine


def test_shares_fill_a_gpu_before_the_next_is_begun() -> None:
    box = places.Box(["0", "1"], cpus=8, jobs=8)
    where = [box.take(str(number), Need(gpu=0.5)).environment["CUDA_VISIBLE_DEVICES"] for number in range(3)]
    assert where == ["0", "0", "1"]
    assert box.take("whole", Need(gpu=1)) is None  # half of 1 is taken
    assert box.take("half", Need(gpu=0.5)).environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert box.take("more", Need(gpu=0.25)) is None
    box.give("0")
    box.give("1")
    assert box.take("whole", Need(gpu=1)).environment["CUDA_VISIBLE_DEVICES"] == "0"


def test_thirds_of_a_gpu_are_three() -> None:
    box = places.Box(["0"], cpus=8, jobs=8)
    assert [box.take(str(number), Need(gpu=1 / 3)) is not None for number in range(4)] == [True, True, True, False]
    for number in range(3):
        box.give(str(number))
    assert box.take("whole", Need(gpu=1)) is not None


def test_a_stage_of_the_cores_sees_no_gpu() -> None:
    assert places.Box(["0"], 2, 2).take("a", Need()).environment["CUDA_VISIBLE_DEVICES"] == ""
    assert places.Box([], 2, 2).take("a", Need(gpu=4)).environment == {}


def test_cores_and_jobs_are_counted() -> None:
    box = places.Box([], cpus=4, jobs=3)
    assert box.take("a", Need(cpu=3)) is not None
    assert box.take("b", Need(cpu=2)) is None
    assert box.take("b", Need(cpu=1)) is not None
    box.give("a")
    assert box.take("c", Need(cpu=1)) is not None
    assert box.take("d", Need(cpu=1)) is not None
    assert box.take("e", Need(cpu=1)) is None  # three jobs
    assert places.Box([], cpus=2, jobs=9).take("a", Need(cpu=64)) is not None  # all cores


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("0,1", ["0", "1"]), ("", []), ("-1", []), ("0,-1,1", ["0"]), ("GPU-3a,GPU-4b", ["GPU-3a", "GPU-4b"])],
)
def test_gpus_are_those_that_cuda_shows(visible: str, expected: list[str], monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert places.gpus() == expected


def test_more_gpus_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match=r"resources.yaml: imagenet@x takes 4 GPUs, there are 2 here; lower its gpu"):
        places.Box(["0", "1"], 8, 8).check("imagenet@x", Need(gpu=4))
    places.Box(["0", "1"], 8, 8).check("imagenet@x", Need(gpu=2))
    places.Box([], 8, 8).check("imagenet@x", Need(gpu=4))  # on cores


# The schedule


def run(
    schedule: Schedule, seconds: dict[str, float], changed=lambda stage: True, failing: frozenset[str] = frozenset()
) -> list[str]:
    """Imagine it; returns the stages in the order of their starts."""
    clock, started, ends = 0.0, [], {}
    while not schedule.over:
        for job in schedule.start():
            for stage in job.stages:
                assert schedule.needs[stage] <= schedule.done | set(job.stages[: job.stages.index(stage)])
            started += job.stages
            ends[job.name] = clock + sum(seconds[stage] for stage in job.stages)
        if not ends:
            break
        name = min(ends, key=ends.get)
        clock = ends.pop(name)
        job = schedule.running[name]
        if failing & set(job.stages):
            schedule.again(job) if len(job.stages) > 1 else schedule.gave_up(job)
        else:
            schedule.succeeded(job, changed)
    return started


def schedule_of(
    needs: graph.Needs, jobs: int = 2, stale: set[str] | None = None, short: set[str] = frozenset(), **seconds: float
) -> Schedule:
    takes = {stage: Need(short=stage in short) for stage in needs}
    every = {stage: seconds.get(stage.replace("@", ""), 1.0) for stage in needs}
    return Schedule(needs, takes, places.Box([], 99, jobs), every, set(needs) if stale is None else stale)


def test_the_most_urgent_ready_stage_starts_first() -> None:
    seconds = {"a": 1.0, "b0": 1.0, "b1": 20.0, "c": 1.0, "d": 5.0}
    every = {"a": 1.0, "b@0": 1.0, "b@1": 20.0, "c": 1.0, "d": 5.0}
    assert run(schedule_of(NEEDS, **seconds), every) == ["a", "d", "b@1", "b@0", "c"]


def test_what_is_up_to_date_is_not_started() -> None:
    schedule = schedule_of(NEEDS, stale=set())
    assert run(schedule, {}) == []
    assert schedule.done == set(NEEDS)


def test_a_change_goes_on_as_far_as_outputs_change() -> None:
    every = dict.fromkeys(NEEDS, 1.0)
    assert run(schedule_of(NEEDS, stale={"a"}), every) == ["a", "b@0", "b@1", "c"]
    assert run(schedule_of(NEEDS, stale={"a"}), every, changed=lambda stage: False) == ["a"]
    assert run(schedule_of(NEEDS, stale={"a"}), every, changed=lambda stage: stage == "a") == ["a", "b@0", "b@1"]


def test_what_needs_a_failed_stage_is_not_run_and_the_rest_goes_on() -> None:
    schedule = schedule_of(NEEDS)
    assert run(schedule, dict.fromkeys(NEEDS, 1.0), failing=frozenset({"b@0"})) == ["a", "d", "b@0", "b@1"]
    assert (schedule.failed, schedule.never) == ({"b@0"}, {"c"})
    assert schedule.done == {"a", "d", "b@1"}


def test_short_stages_go_together_in_turn_and_share_the_room() -> None:
    needs = {"x": set(), **{f"t{n}": {"x"} for n in range(8)}, "page": {f"t{n}" for n in range(8)}}
    schedule = schedule_of(needs, short=set(needs) - {"x"})
    assert [job.stages for job in schedule.start()] == [("x",)]
    schedule.succeeded(schedule.running["x"], lambda stage: True)
    jobs = [job.stages for job in schedule.start()]
    assert [len(stages) for stages in jobs] == [5, 3]  # half of the nine that could run in turn, and the rest; the page waits
    assert {stage for stages in jobs for stage in stages} == set(needs) - {"x", "page"}


def test_a_chain_of_short_stages_is_one_process() -> None:
    needs = {"a": set(), "b": {"a"}, "c": {"b"}, "long": {"c"}}
    schedule = schedule_of(needs, jobs=1, short={"a", "b", "c"})
    assert [job.stages for job in schedule.start()] == [("a", "b", "c")]


def test_a_batch_that_fails_is_run_stage_by_stage() -> None:
    needs = {"a": set(), "b": {"a"}, "c": {"a"}}
    schedule = schedule_of(needs, jobs=1, short=set(needs))
    started = run(schedule, dict.fromkeys(needs, 1.0), failing=frozenset({"b"}))
    assert started == ["a", "b", "c", "a", "b", "c"]
    assert (schedule.done, schedule.failed) == ({"a", "c"}, {"b"})


@pytest.mark.parametrize("seed", range(20))
def test_any_graph_is_done_once_each_and_in_order(seed: int) -> None:
    source = random.Random(seed)
    names = [f"s{n}" for n in range(source.randint(1, 40))]
    needs = {name: {other for other in names[:number] if source.random() < 0.1} for number, name in enumerate(names)}
    seconds = {name: source.random() * 9 for name in names}
    short = {name for name in names if source.random() < 0.5}
    takes = {name: Need(short=name in short, gpu=source.choice([0, 0.25, 0.5, 1, 2]), cpu=source.randint(1, 3)) for name in names}
    schedule = Schedule(graph.in_order(needs), takes, places.Box(["0", "1"], 4, 3), seconds, set(names))
    assert sorted(run(schedule, seconds)) == sorted(names)
    assert schedule.done == set(names)
    assert schedule.place.free == {"0": pytest.approx(1), "1": pytest.approx(1)}
    assert schedule.place.cpus == 4
