"""params.yaml: what it says at each scale, and what is said of mistakes in it."""

import math
import re
from pathlib import Path

import pytest
import yaml

from eoinas import params, settings
from eoinas.code import ROOT
from eoinas.errors import InputError
from eoinas.train import search_cifar
from stages import settings as stage

FILE = Path(__file__).parent.parent / "params.yaml"
SCALES = ("demo", "study", "gpu", "paper")


@pytest.fixture(autouse=True)
def in_a_copy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_bytes(FILE.read_bytes())


def _block(values: dict, path: list[str]) -> dict:
    for part in path:
        values = values.setdefault(part, {})
    return values


def _save(values: dict) -> None:
    Path("params.yaml").write_text(yaml.dump(values, Dumper=yaml.CSafeDumper, sort_keys=False))


def write(key: str, value: object) -> None:
    """Set the dotted ``key`` in the copy of params.yaml."""
    values = params.read()
    *path, last = key.split(".")
    _block(values, path)[last] = value
    _save(values)


def remove(key: str) -> None:
    values = params.read()
    *path, last = key.split(".")
    del _block(values, path)[last]
    _save(values)


def resolved(scale: str) -> dict[str, params.Section]:
    """What the stage `settings` writes, by file."""
    return settings.resolve(params.read(), scale)


def search(scale: str, variant: str = "eoinas") -> search_cifar.SearchCifarParams:
    return resolved(scale)[f"search/{variant}/0-3"].search


def complaint(scale: str = "demo") -> str:
    """The message of the stage that checks the whole file; it leaves no output."""
    with pytest.raises(InputError) as caught:
        stage.main(scale)
    assert not [path for path in Path("results").rglob("*") if path.is_file()]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_resolves_and_reads_back(scale: str) -> None:
    stage.main(scale)
    for name, section in resolved(scale).items():
        assert params.read_settings(type(section), scale, name) == section, name
    assert len(search(scale).prune_epochs) == 7
    text = Path(f"results/{scale}/settings/search/eoinas/0-3.json").read_text()
    assert text.count("\n") > 40  # a key a line


def test_labels_and_the_machine_decide_nothing() -> None:
    before = resolved("demo")
    write("variants.eoinas.label", "another")
    write("operations.none.colour", "#000000")
    write("datasets.cifar10.title", "another")
    write("machine.demo.workers", 3)
    write("machine.paper.checkpoint_minutes", 1.0)
    after = resolved("demo")
    assert {name for name in before if before[name] != after[name]} == {"report"}


def test_how_devices_calculate_is_said_once_and_may_be_said_for_a_block() -> None:
    before = resolved("demo")
    assert (before["report"].tf32, before["report"].nondeterministic) == ([], [])
    write("demo.retrain.allow_tf32", True)
    write("demo.device", {"deterministic": False})
    found = resolved("demo")
    assert found["report"].tf32 == ["derive.short", "retrain", "standalone"]
    assert found["report"].nondeterministic[:4] == ["search of baseline", "search of sss", "search of eoinas", "bench_search"]
    assert len(found["report"].nondeterministic) == 3 + 8
    assert {name for name in found if found[name] == before[name]} == {
        name for name in before if name.partition("/")[0] in ("data", "imagenet_data", "cityscapes_data", "select", "entries")
    } | {"complexity", "seg_entries"} | {name for name in before if name.startswith("bench/") and not before[name].seeds}
    assert found["imagenet"].deterministic is False
    write("demo.device", {"allow_tf23": True})
    assert complaint() == "params.yaml: demo.device.allow_tf23: is not a known parameter"


def test_lambda_reaches_what_depends_on_it() -> None:
    before = resolved("demo")
    write("lambda", 0.9)
    after = resolved("demo")
    moved = {name for name in before if before[name] != after[name]}
    assert moved == {"search/eoinas/0-3", "derive/eoinas", "seg_search", "report"}
    assert after["search/baseline/0-3"].search.lambda_ is None


def test_a_variant_is_a_line() -> None:
    before = resolved("demo")
    write("variants.reset", {"slimming": True, "indicator": "oii", "label": "reset", "reset_tally_at_prune": True, "lambda": 2.0})
    after = resolved("demo")
    new = {name for name in after if name not in before}
    assert new == {"search/reset/0-3", "derive/reset", "retrain_seeds/reset/0-3"}
    assert search("demo", "reset").reset_tally_at_prune
    assert (search("demo", "reset").lambda_, search("demo").lambda_) == (2.0, 0.5)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"report", "entries"}  # entries: what may be named there


def test_an_operation_more_says_what_to_set() -> None:
    write("operations.sep_conv_7x7", {"label": "sep 7", "colour": "#000000"})
    assert "unknown operation 'sep_conv_7x7'" in complaint()
    remove("operations.sep_conv_7x7")
    write("demo.search.epochs", 17)
    assert complaint() == (
        "params.yaml: demo.search: 6 prunes in 17 epochs, but 8 operations need 7 until one is left: "
        "set epochs to 18 or more, or a smaller prune_every or warmup"
    )
    write("demo.search.epochs", 18)
    assert search("demo").prune_epochs[-1] == 18
    remove("operations.none")
    write("demo.search.epochs", 16)
    assert len(search("demo").prune_epochs) == 6


def test_a_third_data_set_is_a_block() -> None:
    before = resolved("demo")
    own = {"title": "Flowers", "source": "folder", "raw": "flowers"}
    write("datasets.flowers", own)
    assert complaint() == "params.yaml: demo.datasets.flowers.image_size: is missing"
    write("datasets.flowers", {**own, "image_size": 32})
    write("entries.flowers-eoinas", {"genotype": "eoinas", "cutout": 0})
    after = resolved("demo")
    assert after["data/flowers"].source == "folder"
    assert after["report"].entries["flowers"].keys() == {"eoinas"}
    assert {name for name in before if before[name] != after[name]} == {"report", "entries"}


def test_numbers_of_runs_are_the_scales_own() -> None:
    write("search_seeds", [0, "1-3"])
    write("demo.repeats.searches", 2)
    found = resolved("demo")
    assert (found["search/sss/0"].seeds, found["search/sss/1-3"].seeds) == ([0], [1])
    assert resolved("paper")["search/sss/1-3"].seeds == [1, 2, 3]
    assert found["report"].searches == [("0", 0), ("1-3", 1)]
    write("demo.repeats.searches", 5)
    assert complaint() == "params.yaml: search_seeds: no item has number 4, and repeats.searches is 5; add it or lower that"


def test_a_scale_takes_from_the_paper_and_a_block_from_another() -> None:
    paper, demo = resolved("paper"), resolved("demo")
    assert paper["standalone"].epochs == paper["retrain/0-9"].retrain.epochs == 600
    assert demo["standalone"].learning_rate == demo["retrain/0-9"].retrain.learning_rate
    assert demo["standalone"].momentum == paper["retrain/0-9"].retrain.momentum
    assert paper["derive/eoinas"].derive.short.epochs == 40
    assert paper["derive/eoinas"].derive.short.weight_decay == 3e-4
    assert paper["seg_pretrain"].recipe.epochs == paper["imagenet"].epochs
    write("paper.retrain.momentum", 0.8)
    assert {resolved(scale)["standalone"].momentum for scale in SCALES} == {0.8}
    write("study.standalone.momentum", 0.7)
    assert resolved("study")["standalone"].momentum == 0.7
    assert resolved("study")["retrain/0-9"].retrain.momentum == 0.8


def test_a_scale_is_a_block() -> None:
    write("laptop", {"search": {"C": 6}})
    assert resolved("laptop")["search/eoinas/0-3"].search.C == 6
    write("laptop", {"serch": {"C": 6}})
    whole = "laptop: no known parameter; if a scale, its block 'serch' is unknown; one of repeats, "
    assert complaint("laptop").startswith(f"params.yaml: {whole}")


def test_the_machine_by_scale_and_stage() -> None:
    write("machine", {"paper": {"workers": 8, "checkpoint_minutes": 10.0, "seg_search": {"workers": 4}}, "demo": {"workers": 0}})
    found = {(s, n): params.machine(s, n).workers for s in ("paper", "demo", "study") for n in ("seg_search", "imagenet")}
    assert found == {
        ("paper", "seg_search"): 4,
        ("paper", "imagenet"): 8,
        ("demo", "seg_search"): 0,
        ("demo", "imagenet"): 0,
        ("study", "seg_search"): 4,
        ("study", "imagenet"): 8,
    }
    write("machine.demo.seg_search", {"workers": -1})
    with pytest.raises(InputError, match=r"^params.yaml: machine.demo.seg_search.workers: .*not -1"):
        params.machine("demo", "seg_search")


def test_the_stages_that_ask_the_machine_are_known() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "stages").glob("*.py"))
    assert set(settings.ON_MACHINE) == set(re.findall(r'params\.machine\(scale, "(\w+)"\)', source))


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
    found = search("paper").dumped()
    assert {name: found[name] for name in expected} == expected
    assert search("paper").prune_epochs == [40, 60, 80, 100, 120, 140, 160]


def test_choices_where_the_paper_is_silent() -> None:
    expected = {
        "grad_clip": 5.0,
        "pool_bn": True,
        "redraw": False,
        "skip_dropout": 0.0,
        "accuracy_unit": "percent",
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
        found = search(scale).dumped()
        assert {name: found[name] for name in expected} == expected
    assert search("paper").temperature_decay == search("demo").temperature_decay == 0.965


def test_a_shorter_search_moves_alpha_and_cools_as_the_papers() -> None:
    """Choices D15 and D17, of scale study: CIFAR-10's images, and CamVid's 367 scenes."""
    images = resolved("study")["search/eoinas/0-3"].search
    scenes = resolved("study")["seg_search"]
    for found, half in ((images, images.epoch_images), (scenes, 367 // 2)):
        steps = math.ceil(half / found.batch_size)
        epochs = found.epochs - found.warmup
        assert 0.5 < found.alpha_learning_rate * steps * epochs / (3e-4 * 140 * 391) < 2
        assert found.temperature_decay**epochs == pytest.approx(0.965**140, rel=0.1)
        assert found.prune_epochs == [10, 15, 20, 25, 30, 35, 40]  # five steps of the chain before each
        assert found.warmup == 5


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
    found = resolved("paper")["retrain/0-9"].retrain.dumped()
    assert {name: found[name] for name in expected} == expected


def test_runs_and_entries_of_the_paper() -> None:
    plan = resolved("paper")["report"]
    assert plan.lambda_ == 0.5
    assert (plan.seeds, [run for _, run in plan.runs]) == (list(range(4)), list(range(10)))
    assert all(e.cutout == 16 for data in plan.entries.values() for name, e in data.items() if name.endswith("_cutout"))
    assert plan.entries["cifar10"]["eoinas"].cutout == 0
    assert resolved("paper")["derive/eoinas"].split.halves == "balanced"
    served = {name: f"{name}_cutout" for name in ("baseline", "sss", "eoinas", "random")}
    assert plan.per_seed.served_by == served


def test_items() -> None:
    assert list(params.of_item([7, "0-2", "4"], 8)) == [("7", 7), ("0-2", 0), ("0-2", 1), ("0-2", 2), ("4", 4)]
    assert list(params.of_item(["0-9", 10], 2)) == [("0-9", 0), ("0-9", 1)]
    for text in ("", "2-1", "-1", "one", "1.5", "0-1-2", "²", " 1", "0-999999999999", "1" * 5000):
        with pytest.raises(InputError, match=r"neither a number|range of no numbers"):
            params.numbers(text)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("demo.search.epoch", 3, "demo.search.epoch: is not a known parameter"),
        ("demo.derive.short.batchsize", 3, "demo.derive.short.batchsize: is not a known parameter"),
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
        ("method.alpha_betas", [0.5, 1.0], "method.alpha_betas.1: "),
        ("method.sigma_first", [0.5, 0.25, 0.25, 0.25], "demo.search: .*sigma_first must sum to 1"),
        ("method.sigma_last", [0.5, 0.5], "demo.search: sigma_first and sigma_last must be of one length"),
        ("method.sigma_last", [1.2, -0.2, 0.0, 0.0], "method.sigma_last.0: "),
        ("method.chain_step", 4, "demo.search: .*prune_every must be a multiple of chain_step"),
        ("demo.retrain.drop_path", 1.0, "demo.retrain.drop_path: "),
        ("demo.search", [1], "demo.search must be a block of parameters"),
        ("lambda", -0.5, "lambda: .*not -0.5"),
        ("lambda", math.nan, "lambda: .*not nan"),
        ("lambda", math.inf, "lambda: .*not inf"),
        ("lambda", "half", "lambda: .*not 'half'"),
        ("lambda", [0.5], "lambda: "),
        ("search_seeds", [], "search_seeds: "),
        ("retrain_runs", [], "retrain_runs: "),
        ("retrain_runs", ["0-9", 3], "retrain_runs: .*no number may come twice"),
        ("retrain_runs", [0, 0], "retrain_runs: .*no number may come twice"),
        ("retrain_runs", ["9-0"], "retrain_runs: .*a range of n"),
        ("retrain_runs", [-1], "retrain_runs: .*a range of n"),
        ("retrain_runs", ["0-"], "retrain_runs: .*a range of n"),
        ("retrain_runs", [[0, 1]], "retrain_runs: .*a range of n"),
        ("retrain_runs", [0.5], "retrain_runs: .*a range of n"),
        ("retrain_runs", [True], "retrain_runs: .*a range of n"),
        ("search_seeds", [0, -1], "search_seeds: .*a range of n"),
        ("search_seeds", ["0", 0], "search_seeds: .*no number may come twice"),
        ("scale", "papier", "scale 'papier' is unknown; one of paper, gpu, study, demo"),
        ("entries", {}, "entries: "),
        ("entries.cifar10-eoinas.cutout", 40, "entries.cifar10-eoinas.cutout: .*not 40"),
        ("entries.cifar12-a", {"genotype": "eoinas"}, "entries.cifar12-a: the data set 'cifar12' is unknown; one of cifar10, "),
        ("entries.cifar10-", {"genotype": "eoinas"}, "entries.cifar10-: must be DATASET-NAME"),
        (
            "entries.cifar10-x",
            {"genotype": "eoinsa"},
            "entries.cifar10-x.genotype: one of baseline, sss, eoinas, random, or a file in data/genotypes/, not 'eoinsa'",
        ),
        (
            "paper.datasets",
            {"cifr10": {"raw": "elsewhere"}},
            "paper.datasets: the data set 'cifr10' is unknown; one of cifar10, ",
        ),
        ("imagenet_entries.x", {"genotype": "data/genotypes/../x.json"}, "imagenet_entries.x.genotype: one of baseline, "),
        ("cityscapes_entries.x", {"genotype": "eoinas"}, "cityscapes_entries.x.genotype: one of cityscapes, or a file in "),
        ("demo.datasets.cifar10.source", "mnist", "demo.datasets.cifar10.source: "),
        ("datasets.cifar10.raw", 3, "datasets.cifar10.raw: .*not 3"),
        ("datasets.cifar100.title", None, "datasets.cifar100.title: "),
        ("demo.serch", {}, "demo: the block 'serch' is unknown"),
        ("demo.search.warmup", 20, "demo.search: warmup must be shorter than epochs"),
        ("variants.eoinas.indicator", "oi", "variants.eoinas.indicator: .*not 'oi'"),
        ("variants.eoinas.epsilon_3", 0.1, "variants.eoinas.epsilon_3: is not a known parameter"),
        ("variants.eoinas.label", None, "variants.eoinas.label: "),
        ("variants.sss.label", "EoiNAS", "variants: two have the label 'EoiNAS'"),
        ("entries", {"cifar100-eoinas": {"genotype": "eoinas"}}, "entries: none is of cifar10, on which is searched; add one"),
        ("variants.random", {"slimming": True}, "variants.random: that name"),
        ("variants.a-b", {"slimming": True}, "variants.a-b"),
        ("main_variant", "eoi", "main_variant 'eoi' is unknown; one of baseline, sss, eoinas"),
        ("plain_variant", "sss", "plain_variant: 'sss' prunes"),
        ("search_on", "mnist", "search_on 'mnist' is unknown"),
        ("metod", {"C": 1}, "metod: no known parameter; if a scale, its block 'C' is unknown; one of "),
        ("entires", {"cifar10-x": {"genotype": "eoinas"}}, "entires: no known parameter; if a scale, its block"),
        ("my scale", {"search": {"C": 8}}, "the scale 'my scale': a scale's name is made of letters"),
        ("mine-1", {"search": {"C": 8}}, "the scale 'mine-1': a scale's name"),
        ("demo.seg_search.variant", "eoi", "seg_search.variant 'eoi' is unknown"),
        ("operations.none.colour", "red", "operations.none.colour: "),
        ("method.space", "dart", "unknown search space 'dart'; one of darts"),
        ("method.temperature_decay", 0.01, "demo.search: temperature falls below 1e-30"),
        ("machine", 3, "machine: "),
        ("machine.paper.workers", "many", "machine.paper.workers: "),
        ("machine.demmo", {"workers": 0}, "machine: the scale 'demmo' is unknown; one of paper, gpu, study, demo"),
        ("machine.demo.segsearch", {"workers": 0}, "machine.demo: the stage 'segsearch' is unknown; one of search, "),
        ("demo.datasets.cifr10", {"source": "digits"}, "demo.datasets: the data set 'cifr10' is unknown; one of cifar10, "),
        ("demo.datasets", 3, "demo.datasets must be a block of parameters, not 3"),
        ("demo.repeats.searches", 0, "demo.repeats.searches: "),
    ],
)
def test_a_mistake_names_its_key(key: str, value: object, message: str) -> None:
    write(key, value)
    assert re.match(f"params.yaml: {message}", complaint())


@pytest.mark.parametrize("key", ["lambda", "scale", "search_seeds", "method", "paper.search.epochs", "paper.derive.by"])
def test_a_missing_key_is_named(key: str) -> None:
    remove(key)
    if key.startswith("paper"):
        assert complaint("paper") == f"params.yaml: {key}: is missing"
    else:
        assert complaint() == f"params.yaml: {key}: is missing"


def test_a_mistyped_key_is_named_as_the_user_wrote_it() -> None:
    remove("demo.search.epochs")
    write("demo.search.epocs", 16)
    assert complaint() == "params.yaml: demo.search.epocs: is not a known parameter"


@pytest.mark.parametrize(
    ("written", "value"), [("1e-05", 1e-5), ("1.5e-07", 1.5e-7), ("2E3", 2000.0), ("+1e1", 10.0), ("3", 3.0)]
)
def test_numbers_as_dvc_writes_them_are_floats(written: str, value: float) -> None:
    text = FILE.read_text()
    Path("params.yaml").write_text(text.replace("lambda: 0.5 ", f"lambda: {written} ", 1))
    found = search("demo").lambda_
    assert (found, type(found)) == (value, float)


def test_what_only_looks_like_a_number_stays_text() -> None:
    write("datasets.cifar10.raw", "1e-05x")
    assert params.read()["datasets"]["cifar10"]["raw"] == "1e-05x"


def test_a_key_twice_is_refused() -> None:
    text = FILE.read_text()
    Path("params.yaml").write_text(text.replace("    warmup: 4\n", "    warmup: 3\n    warmup: 4\n", 1))
    assert complaint() == "params.yaml: the key 'warmup' stands twice in one block; remove one of them"


@pytest.mark.parametrize("content", [b"", b"- a list", b"lambda: [", b"\xff\xfe", b"[" * 5000, b"x: 2024-13-45"])
def test_a_file_that_is_no_mapping_is_refused(content: bytes) -> None:
    Path("params.yaml").write_bytes(content)
    assert complaint().startswith("params.yaml: ")


def test_a_missing_file_says_where_to_run() -> None:
    Path("params.yaml").unlink()
    assert complaint() == "params.yaml: no such file; run from the project's top folder"


@pytest.mark.parametrize("scale", ["papier", "", "lambda", "search_seeds", "method"])
def test_an_unknown_scale_is_named(scale: str) -> None:
    assert complaint(scale) == f"unknown scale '{scale}'; one of paper, gpu, study, demo"


def test_a_block_may_set_a_number_of_the_method_for_itself() -> None:
    write("demo.search.epsilon_1", 0.05)
    assert (search("demo").epsilon_1, search("paper").epsilon_1) == (0.05, 0.02)
    write("demo.search.epsilon_1", 2)
    assert complaint().startswith("params.yaml: demo.search.epsilon_1: ")


def test_sections_are_immutable() -> None:
    found = search("demo")
    with pytest.raises(ValueError, match="frozen"):
        found.epochs = 3


def test_a_damaged_file_of_settings_is_one_line() -> None:
    stage.main("demo")
    path = Path("results/demo/settings/search/eoinas/0-3.json")
    for content in (b"", b"{", b"[]", b'{"seeds": []}', b"\xff"):
        path.write_bytes(content)
        with pytest.raises(
            InputError, match=r"^results/demo/settings/search/eoinas/0-3.json: [^\n]*run python -m stages.settings demo$"
        ):
            params.read_settings(search_cifar.SearchStage, "demo", "search/eoinas/0-3")
    with pytest.raises(InputError, match="no such file"):
        params.read_settings(search_cifar.SearchStage, "demo", "search/eoinas/9")


def test_dvc_writes_params_yaml_as_it_is() -> None:
    """`dvc exp run -S` writes the file anew: what it does not set must come out as it was, lists, comments and empty lines."""
    hydra = pytest.importorskip("dvc.utils.hydra")
    hydra.apply_overrides("params.yaml", ["lambda=0.5"])
    assert Path("params.yaml").read_bytes() == FILE.read_bytes()
    hydra.apply_overrides(
        "params.yaml", ["entries.cifar10-eoinas.cutout=8", "search_seeds=[0,1-3]", "+study.retrain.momentum=0.8"]
    )
    values = params.read()
    assert values["entries"]["cifar10-eoinas"]["cutout"] == 8
    assert values["search_seeds"] == [0, "1-3"]
    assert resolved("study")["retrain/0-9"].retrain.momentum == 0.8


def test_choices() -> None:
    assert params.choice("sss", ["baseline", "sss"], "variant") == "sss"
    with pytest.raises(InputError, match="unknown variant 'ss'; one of baseline, sss"):
        params.choice("ss", ["baseline", "sss"], "variant")
