import json
from pathlib import Path

import pytest

from eoinas import params
from eoinas import plan as plans
from eoinas.errors import InputError
from tests import report_fixture


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = Path(params.SETTINGS.format(scale="demo", name="report"))
    report_fixture.write_json(found, report_fixture.plan())
    return found


def test_lists_of_json_are_read_as_they_are_meant(path: Path) -> None:
    plan = plans.load("demo")
    assert plan.searches == [("0", 0), ("1", 1)]
    assert (plan.seeds, plan.candidates) == ([0, 1], ["baseline", "sss", "eoinas", "random"])
    assert plan.space.edge(1, 2) == 1
    assert plan.lambda_ == 0.5


def test_what_is_written_is_read_again(path: Path) -> None:
    plan = plans.load("demo")
    path.write_text(json.dumps(plan.model_dump(by_alias=True)))
    assert plans.load("demo") == plan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"main": "nobody"}, "main: 'nobody' is no variant"),
        ({"searched_on": "cifar11"}, "'cifar11' is no data set"),
        ({"searches": [["0-1", "0"]]}, "searches.0.1: "),
        ({"extra": 1}, "extra: "),
        ({"per_seed": {"runs": 1, "cutout": 0, "served_by": {"sss": "nothing"}}}, "'nothing' is no entry of cifar10"),
        ({"per_seed": {"runs": 4, "cutout": 16, "served_by": {"sss": "sss_cutout"}}}, "4 of a seed, and sss_cutout has 3"),
        ({"per_seed": {"runs": 0, "cutout": 0, "served_by": {}}}, "per_seed.runs: "),
        ({"space": {**report_fixture.SPACE, "cells": "normal"}}, "space.cells: "),
    ],
)
def test_a_mistake_is_one_line_that_names_it(path: Path, change: dict, message: str) -> None:
    report_fixture.change(path, **change)
    with pytest.raises(InputError) as caught:
        plans.load("demo")
    text = str(caught.value)
    assert message in text
    assert text.startswith(str(path))
    assert text.endswith("run python -m stages.settings demo")
    assert "\n" not in text


@pytest.mark.parametrize("blob", [b"", b"[]", b"\xff\xfe", b'{"a": 1', b"[" * 100_000, b"null"])
def test_a_damaged_file_is_one_line(path: Path, blob: bytes) -> None:
    path.write_bytes(blob)
    with pytest.raises(InputError, match=r"report\.json: .*run python -m stages.settings demo$"):
        plans.load("demo")


def test_a_missing_file_names_the_stage(path: Path) -> None:
    path.unlink()
    with pytest.raises(InputError, match=r"report\.json: no such file"):
        plans.load("demo")
