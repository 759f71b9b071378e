import copy
import math
import re
from pathlib import Path

import pytest
import yaml

from eoinas import params
from eoinas.data.images import SplitParams
from eoinas.errors import InputError
from eoinas.train import classify, search_cifar
from stages import check_params

FILE = Path(__file__).parent.parent / "params.yaml"
SCALES = ("demo", "study", "paper")


@pytest.fixture(autouse=True)
def in_a_copy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes(FILE.read_bytes())


def write(key: str, value: object) -> None:
    """Set the dotted ``key`` in the copy of params.yaml."""
    values = yaml.safe_load(FILE.read_text())
    *path, last = key.split(".")
    block = values
    for part in path:
        block = block[part]
    block[last] = value
    Path("params.yaml").write_text(yaml.safe_dump(values))


def remove(key: str) -> None:
    values = yaml.safe_load(FILE.read_text())
    *path, last = key.split(".")
    block = values
    for part in path:
        block = block[part]
    del block[last]
    Path("params.yaml").write_text(yaml.safe_dump(values))


def search(scale: str) -> search_cifar.SearchCifarParams:
    return params.load(search_cifar.SearchCifarParams, scale, "search")


def complaint(scale: str = "demo") -> str:
    """The message of the stage that checks the whole file; it leaves no output."""
    with pytest.raises(InputError) as caught:
        check_params.main(scale)
    assert not Path("results").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_loads(scale: str) -> None:
    check_params.main(scale)
    assert Path(f"results/{scale}/params_checked.txt").exists()
    assert len(search(scale).prune_epochs) == 7


def test_search_numbers_of_the_paper() -> None:
    expected = {
        "C": 16,
        "layers": 8,
        "batch_size": 64,
        "epoch_images": 0,
        "epochs": 160,
        "warmup": 20,
        "prune_every": 20,
        "learning_rate": 0.025,
        "learning_rate_min": 0.001,
        "momentum": 0.9,
        "weight_decay": 3e-4,
        "alpha_init_sd": 0.0,
        "alpha_learning_rate": 3e-4,
        "alpha_betas": [0.5, 0.999],
        "alpha_weight_decay": 1e-3,
        "temperature": 5.0,
        "epsilon_1": 0.02,
        "epsilon_2": 0.01,
        "sigma_first": [0.25, 0.25, 0.25, 0.25],
        "forward": "sampled",
        "cutout": 0,
    }
    found = search("paper").model_dump()
    assert {name: found[name] for name in expected} == expected
    assert search("paper").prune_epochs == [40, 60, 80, 100, 120, 140, 160]


def test_choices_where_the_paper_is_silent() -> None:
    expected = {
        "grad_clip": 5.0,
        "padding": 4,
        "pool_bn": True,
        "temperature_decay": 0.965,
        "redraw": False,
        "skip_dropout": 0.0,
        "accuracy_unit": "fraction",
        "accuracy_estimate": "running_mean",
        "epoch_unit": "epochs",
        "undrawn": "mean",
        "reset_tally_at_prune": False,
        "softmax_over": "live",
        "chain_step": 1,
        "sigma_last": [0.4, 0.3, 0.2, 0.1],
        "clamp_transition": True,
        "recompute_after_prune": True,
        "zero_may_win": False,
        "rebuild_adam_at_prune": False,
    }
    for scale in SCALES:
        found = search(scale).model_dump()
        assert {name: found[name] for name in expected} == expected


def test_retraining_numbers_of_the_paper() -> None:
    expected = {
        "C": 36,
        "layers": 20,
        "epochs": 600,
        "batch_size": 128,
        "epoch_images": 0,
        "learning_rate": 0.025,
        "learning_rate_min": 0.0,
        "momentum": 0.9,
        "weight_decay": 3e-4,
        "drop_path": 0.3,
        "auxiliary_weight": 0.4,
        "grad_clip": 5.0,
    }
    found = params.load(classify.RetrainParams, "paper", "retrain").model_dump()
    assert {name: found[name] for name in expected} == expected


def test_runs_and_entries_of_the_paper() -> None:
    top = params.top()
    assert params.lambda_() == top.lambda_ == 0.5
    assert (top.seeds, [run for _, run in top.runs]) == (list(range(4)), list(range(10)))
    assert all(e.cutout == 16 for data in top.entries.cifar.values() for name, e in data.items() if name.endswith("_cutout"))
    assert top.entries.cifar10["eoinas"].cutout == 0
    settings = params.load(SplitParams, "paper", "split")
    assert settings.halves == "balanced"


def test_runs_in_groups() -> None:
    write("retrain_runs", [7, "0-2", "4"])
    assert params.top().runs == [("7", 7), ("0-2", 0), ("0-2", 1), ("0-2", 2), ("4", 4)]
    assert list(params.numbers("0-2")) == [0, 1, 2]
    for text in ("", "2-1", "-1", "one", "1.5", "0-1-2", "²", " 1"):
        with pytest.raises(InputError, match="neither a number"):
            params.numbers(text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("demo.search.epoch", 3, "demo.search.epoch: is not a known parameter"),
        ("demo.derive.short.batchsize", 3, "demo.derive.short.batchsize: is not a known parameter"),
        ("demo.serch", {}, "demo.serch: is not a known parameter"),
        ("lamda", 0.5, "lamda: is not a known parameter"),
        ("demo.search.epochs", "16", "demo.search.epochs: .*not '16'"),
        ("demo.search.epochs", 16.5, "demo.search.epochs: .*not 16.5"),
        ("demo.search.epochs", True, "demo.search.epochs: .*not True"),
        ("demo.search.epochs", None, "demo.search.epochs: .*not None"),
        ("method.redraw", "no way", "method.redraw: "),
        ("method.redraw", 1, "method.redraw: "),
        ("method.forward", "soft", "method.forward: .*'sampled' or 'mixture'.*not 'soft'"),
        ("demo.search.epochs", 0, "demo.search.epochs: .*greater than 0.*not 0"),
        ("method.momentum", 1.1, "method.momentum: .*not 1.1"),
        ("demo.search.learning_rate", -0.1, "demo.search.learning_rate: .*not -0.1"),
        ("demo.search.learning_rate", math.nan, "demo.search.learning_rate: .*not nan"),
        ("demo.search.learning_rate", math.inf, "demo.search.learning_rate: .*not inf"),
        ("demo.search.layers", 2, "demo.search.layers: "),
        ("method.skip_dropout", 1.0, "method.skip_dropout: "),
        ("method.alpha_betas", [0.5], "method.alpha_betas: "),
        ("method.alpha_betas", [0.5, 1.5], "method.alpha_betas.1: "),
        ("method.sigma_first", [0.5, 0.25, 0.25, 0.25], "demo.search: .*sigma_first must sum to 1"),
        ("method.sigma_last", [0.5, 0.5], "demo.search: .*sigma_first and sigma_last must be of one length"),
        ("method.sigma_last", [1.2, -0.2, 0.0, 0.0], "method.sigma_last.0: "),
        ("demo.search.warmup", 9, "demo.search: .*warmup must be shorter than epochs"),
        ("method.chain_step", 4, "demo.search: .*prune_every must be a multiple of chain_step"),
        ("demo.retrain.drop_path", 1.0, "demo.retrain.drop_path: "),
        ("demo.search", None, "demo.search: "),
        ("demo.search", [1], "demo.search: "),
        ("demo", 3, "demo: "),
        ("lambda", -0.5, "lambda: .*not -0.5"),
        ("lambda", math.nan, "lambda: .*not nan"),
        ("lambda", math.inf, "lambda: .*not inf"),
        ("lambda", "half", "lambda: .*not 'half'"),
        ("lambda", [0.5], "lambda: "),
        ("search_seeds", [], "search_seeds: "),
        ("standalone_operations", ["0-6"], "standalone_operations: .*0 to 7"),
        ("standalone_operations", ["0-7", 3], "standalone_operations: .*no number comes twice"),
        ("standalone_operations", ["all"], "standalone_operations: .*a range of them"),
        ("retrain_runs", [], "retrain_runs: "),
        ("retrain_runs", ["0-9", 3], "retrain_runs: .*no number comes twice"),
        ("retrain_runs", [0, 0], "retrain_runs: .*no number comes twice"),
        ("retrain_runs", ["9-0"], "retrain_runs: .*a range of them"),
        ("retrain_runs", [-1], "retrain_runs: .*a range of them"),
        ("retrain_runs", ["0-"], "retrain_runs: .*a range of them"),
        ("retrain_runs", [[0, 1]], "retrain_runs: .*a range of them"),
        ("retrain_runs", [0.5], "retrain_runs: .*a range of them"),
        ("retrain_runs", [True], "retrain_runs: .*a range of them"),
        ("search_seeds", [0, -1], "search_seeds: .*a range of them"),
        ("search_seeds", ["0", 0], "search_seeds: .*no number comes twice"),
        ("scale", "papier", "scale: .*not 'papier'"),
        ("entries.cifar10", {}, "entries.cifar10: "),
        ("entries.cifar10.eoinas.cutout", 40, "entries.cifar10.eoinas.cutout: .*not 40"),
        ("entries.cifar12", {"a": {"genotype": "eoinas", "cutout": 0}}, "entries.cifar12"),
        ("demo.cifar10.source", "mnist", "demo.cifar10.source: "),
    ],
)
def test_a_mistake_names_its_key(key: str, value: object, message: str) -> None:
    write(key, value)
    assert re.match(f"params.yaml: {message}", complaint())


@pytest.mark.parametrize(
    "key", ["lambda", "scale", "search_seeds", "method", "demo.split", "demo.search.epochs", "demo.derive.short.C"]
)
def test_a_missing_key_is_named(key: str) -> None:
    remove(key)
    assert complaint() == f"params.yaml: {key}" + (" is missing" if key == "demo.split" else ": is missing")


def test_a_mistyped_key_is_named_as_the_user_wrote_it() -> None:
    remove("demo.search.epochs")
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("  search:\n", "  search:\n    epocs: 16\n", 1))
    assert complaint() == "params.yaml: demo.search.epocs: is not a known parameter"


@pytest.mark.parametrize(
    ("written", "value"), [("1e-05", 1e-5), ("1.5e-07", 1.5e-7), ("2E3", 2000.0), ("+1e1", 10.0), ("3", 3.0)]
)
def test_numbers_as_dvc_writes_them_are_floats(written: str, value: float) -> None:
    text = FILE.read_text()
    Path("params.yaml").write_text(text.replace("lambda: 0.5 ", f"lambda: {written} ", 1))
    assert params.lambda_() == value
    assert isinstance(params.lambda_(), float)


def test_what_only_looks_like_a_number_stays_text() -> None:
    write("demo.cifar10.raw", "1e-05x")
    assert params.read()["demo"]["cifar10"]["raw"] == "1e-05x"


def test_a_key_twice_is_refused() -> None:
    text = FILE.read_text()
    Path("params.yaml").write_text(text.replace("    warmup: 2 ", "    warmup: 3\n    warmup: 2 ", 1))
    assert complaint() == "params.yaml: the key 'warmup' stands twice in one block; remove one of them"


@pytest.mark.parametrize("content", [b"", b"- a list", b"lambda: [", b"\xff\xfe", b"[" * 5000])
def test_a_file_that_is_no_mapping_is_refused(content: bytes) -> None:
    Path("params.yaml").write_bytes(content)
    assert complaint().startswith("params.yaml: ")


def test_a_missing_file_says_where_to_run() -> None:
    Path("params.yaml").unlink()
    assert complaint() == "params.yaml: no such file; run from the project's top folder"


@pytest.mark.parametrize(
    "scale",
    [
        "papier",
        "",
        "lambda",
        "search_seeds",
    ],
)
def test_an_unknown_scale_is_named(scale: str) -> None:
    assert complaint(scale) == f"unknown scale '{scale}'; one of demo, study, paper"


def test_a_block_may_set_a_number_of_the_method_for_itself() -> None:
    write("demo.search.epsilon_1", 0.05)
    assert (search("demo").epsilon_1, search("paper").epsilon_1) == (0.05, 0.02)
    write("demo.search.epsilon_1", 2)
    assert complaint().startswith("params.yaml: demo.search.epsilon_1: ")
    remove("method.epsilon_1")
    assert complaint() == "params.yaml: demo.search.epsilon_1: is missing"


def test_prunes_end_when_one_operation_is_left() -> None:
    write("demo.search.epochs", 40)
    assert search("demo").prune_epochs == [3, 4, 5, 6, 7, 8, 9]
    write("demo.search.warmup", 4)
    assert search("demo").prune_epochs == [5, 6, 7, 8, 9]


def test_sections_are_immutable() -> None:
    settings = search("demo")
    with pytest.raises(ValueError, match="frozen"):
        settings.epochs = 3
    assert copy.copy(settings) == search("demo")


def test_choices() -> None:
    assert params.choice("sss", ["baseline", "sss"], "variant") == "sss"
    with pytest.raises(InputError, match="unknown variant 'ss'; one of baseline, sss"):
        params.choice("ss", ["baseline", "sss"], "variant")
