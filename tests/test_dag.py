"""dvc.yaml against the code: an edit has to cost what it must.

Less would leave stale results behind, more would cost a search for a comma in a table.
"""

import ast
import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from eoinas.code import ROOT, WITHOUT_EFFECT, closure, effective, scripts
from eoinas.errors import InputError

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SCALES = ("demo", "study", "gpu", "paper")
EXPENSIVE = (
    *("search", "derive", "random_cells", "retrain", "retrain_seeds", "retrain_random", "standalone", "bench_search"),
    *("imagenet", "seg_search", "seg_pretrain", "seg_train_scratch", "seg_train_pretrained"),
)
SCRIPTS = sorted(path for path in (ROOT / "stages").glob("*.py") if path.name != "__init__.py")
NAS = sorted(path for path in (ROOT / "eoinas" / "nas").glob("*.py") if path.name != "__init__.py")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")  # DVC's own, from building its graph
ALLOWED_IN_NAS = {"torch", "typing", "collections", "eoinas.genotype"}


def command(name: str) -> tuple[str, list[str]]:
    """The module that a stage runs, and its arguments as they stand in dvc.yaml."""
    words = STAGES[name]["cmd"].split()
    assert words[:2] == ["python", "-m"], f"{name}: cmd must be `python -m stages.X ...`"
    return words[2], words[3:]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, ``a.b`` for ``from a import b`` too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


# The closure itself.


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], set[str]]:
    """Writes the given stage beside a few modules and returns its closure."""
    for package in ("stages", "eoinas", "eoinas/deep"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "eoinas/params.py").write_text("import yaml\n")
    (tmp_path / "eoinas/deep/one.py").write_text("from eoinas.deep.two import name\n")
    (tmp_path / "eoinas/deep/two.py").write_text("from eoinas import params\nfrom eoinas.deep import one\n")

    def write(text: str) -> set[str]:
        (tmp_path / "stages/example.py").write_text(text)
        return closure("stages.example", tmp_path)

    write.root = tmp_path
    return write


DEEP = {"eoinas/deep/one.py", "eoinas/deep/two.py", "eoinas/params.py"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import json\nimport torch.nn\n", set()),
        ("from eoinas import params\n", {"eoinas/params.py"}),
        ("from eoinas.params import read as load\n", {"eoinas/params.py"}),
        ("import eoinas.params\n", {"eoinas/params.py"}),
        ("from eoinas.deep import one, two as second\n", DEEP),
        ("import eoinas.deep.two\n", DEEP),
        ("def f():\n    if True:\n        from eoinas.deep import one\n", DEEP),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from eoinas import params\n", {"eoinas/params.py"}),
        ("from importlib.metadata import version\n", set()),
    ],
)
def test_closure(project: Callable[[str], set[str]], text: str, expected: set[str]) -> None:
    assert project(text) == expected | {"stages/example.py"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("from . import other\n", "relative"),
        ("from eoinas import absent\n", "no module"),
        ("import eoinas.absent\n", "no module"),
        ("from eoinas.deep import *\n", "no module"),
        ("import importlib\n", "cannot be followed"),
        ("from importlib import import_module\n", "cannot be followed"),
        ("__import__('eoinas.params')\n", "cannot be followed"),
    ],
)
def test_closure_refuses_what_it_cannot_follow(project: Callable[[str], set[str]], text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        project(text)


def test_closure_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no module"):
        closure("stages.absent", tmp_path)


def test_closure_counts_an_init_that_holds_something(project: Callable[[str], set[str]]) -> None:
    (project.root / "eoinas/__init__.py").write_text("from eoinas.deep import two\n")
    assert project("import eoinas.params\n") == DEEP | {"eoinas/__init__.py", "stages/example.py"}


# What has an effect.


@pytest.mark.parametrize("path", WITHOUT_EFFECT)
def test_code_without_effect_imports_nothing_that_has_one(path: str) -> None:
    module = path.removesuffix(".py").replace("/", ".")
    assert closure(module) <= WITHOUT_EFFECT.keys()
    assert len(WITHOUT_EFFECT[path]) > 20  # the reason


def test_code_is_listed_with_hashes(project: Callable[[str], set[str]]) -> None:
    project("from eoinas import params\nfrom eoinas.deep import one\n")
    before = effective("example", project.root)
    assert set(before) == DEEP - {"eoinas/params.py"} | {"stages/example.py"}  # params is without effect
    (project.root / "eoinas/params.py").write_text("import yaml  # a comment\n")
    assert effective("example", project.root) == before
    (project.root / "eoinas/deep/two.py").write_text("from eoinas.deep import one  # a comment\n")
    after = effective("example", project.root)
    assert {path for path in before if before[path] != after[path]} == {"eoinas/deep/two.py"}


def test_what_settings_merges_with_is_its_code() -> None:
    assert [script for script in scripts() if "eoinas/params.py" in effective(script)] == ["settings"]


def test_progress_costs_nothing_and_the_method_costs_searches() -> None:
    listed = {script: set(effective(script)) for script in scripts()}
    assert not [script for script in listed if "eoinas/progress.py" in listed[script]]
    users = {script for script in listed if "eoinas/nas/markov.py" in listed[script]}
    # settings and table_4 are quick, random_cells and derive score with the search's network.
    bench = {"bench_search", "bench_masked", "bench_truth"}
    assert users == {"search", "seg_search", "derive", "random_cells", "seg_entries", "settings", "table_4", *bench}
    assert not {"eoinas/nas/derive.py", "eoinas/models/supernet.py", "eoinas/spaces/darts.py"} & listed["retrain"]


# dvc.yaml against the scripts.


def test_the_code_stage_sees_all_code() -> None:
    assert STAGES["code"]["deps"] == ["eoinas", "stages"]
    assert STAGES["code"]["outs"] == ["results/code"]


@pytest.mark.parametrize("name", [name for name in STAGES if name != "code"])
def test_a_stage_depends_on_the_list_of_its_code_alone(name: str) -> None:
    listed = [dep for dep in STAGES[name]["deps"] if dep.endswith(".py") or dep.startswith("results/code")]
    assert listed == [f"results/code/{command(name)[0].removeprefix('stages.')}.json"]


@pytest.mark.parametrize("name", [name for name in STAGES if name != "code"])
def test_command_gives_every_axis_in_order(name: str) -> None:
    module, arguments = command(name)
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    (main,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    assert len(arguments) == len(main.args.args)
    axes = [found.group(1) for found in map(re.compile(r"\$\{item\.(\w+)\}").fullmatch, arguments) if found]
    assert axes == list(STAGES[name]["matrix"])
    assert axes[0] == "scale"
    assert STAGES[name]["matrix"]["scale"] == ["${scale}"]


# Where data lie is read when a stage runs; what it depends on is the manifest.
PLACES = {"imagenet_data", "cityscapes_data"}


@pytest.mark.parametrize("name", [name for name in STAGES if name not in ("code", "settings")])
def test_settings_that_a_script_reads_are_its_first_deps(name: str) -> None:
    module, arguments = command(name)
    tree = ast.parse((ROOT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8"))
    (main,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"]
    given = dict(zip([argument.arg for argument in main.args.args], arguments, strict=True))
    read = {name for call in _calls(tree, "params.read_settings") for name in [_filled(call.args[2], tree, given)]}
    if name == "findings":
        read |= {"report", "bench_report"}
    elif name.startswith(("bench_masked", "bench_truth", "table_bench", "fig_bench")):
        read.add("bench_report")
    elif name.startswith(("table_", "fig_", "report", "complexity")):
        read.add("report")
    if not name.startswith("data_"):
        read -= PLACES
    wanted = {f"results/${{item.scale}}/settings/{each}.json" for each in read}
    listed = [dep for dep in STAGES[name]["deps"] if "/settings/" in dep]
    assert set(listed) == wanted
    assert STAGES[name]["deps"][: len(listed)] == listed
    assert "params" not in STAGES[name]


def _calls(tree: ast.AST, function: str) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == function]


def _filled(node: ast.expr, tree: ast.AST, given: dict[str, str]) -> str:
    """A string of a script with the arguments that dvc.yaml gives."""
    if isinstance(node, ast.Name) and node.id not in given:  # a local name
        pairs = [
            (target, value)
            for each in ast.walk(tree)
            if isinstance(each, ast.Assign)
            for target, value in (
                zip(each.targets[0].elts, each.value.elts, strict=True)
                if isinstance(each.targets[0], ast.Tuple) and isinstance(each.value, ast.Tuple)
                else [(each.targets[0], each.value)]
            )
        ]
        (found,) = [value for target, value in pairs if ast.unparse(target) == node.id]
        return _filled(found, tree, given)
    if isinstance(node, ast.JoinedStr):
        return "".join(_filled(part.value if isinstance(part, ast.FormattedValue) else part, tree, given) for part in node.values)
    return given[node.id] if isinstance(node, ast.Name) else ast.literal_eval(node)


def test_settings_see_every_parameter_that_can_change_a_result() -> None:
    assert {*PARAMS} - {*SCALES, "machine"} | {"paper", "${item.scale}"} == set(STAGES["settings"]["params"])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_is_short_and_used(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60
    assert f"stages.{path.stem}" in {command(name)[0] for name in STAGES}


# Firewalls in the code.


@pytest.mark.parametrize("name", EXPENSIVE)
def test_reports_cost_no_training(name: str) -> None:
    for path in closure(command(name)[0]):
        assert not path.startswith(("eoinas/report/", "eoinas/metrics/")), f"{name} imports {path}"


def test_metrics_are_for_what_measures() -> None:
    users = {
        name
        for name in STAGES
        if name != "settings" and any(path.startswith("eoinas/metrics/") for path in closure(command(name)[0]))
    }
    bench = {"bench_truth", "table_bench", *(f"fig_bench_{name}" for name in ("cells", "curve", "tau", "sensitivity"))}
    assert users == {"complexity", "seg_evaluate", "table_4", "findings", *bench}


def test_inits_are_empty() -> None:
    inits = [path for package in ("eoinas", "stages") for path in (ROOT / package).rglob("__init__.py")]
    assert len(inits) >= 7
    assert [path for path in inits if path.stat().st_size] == []


def test_packages_have_an_init() -> None:
    folders = {path.parent for package in ("eoinas", "stages") for path in (ROOT / package).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("name", STAGES)
def test_dvc_is_not_imported(name: str) -> None:
    found = {module for path in closure(command(name)[0]) for module in imports(ROOT / path)}
    assert not {module for module in found if re.match(r"dvc(live)?\b", module)}


@pytest.mark.parametrize("path", NAS, ids=lambda path: path.stem)
def test_method_is_functions_of_tensors(path: Path) -> None:
    allowed = re.compile("(" + "|".join(map(re.escape, sorted(ALLOWED_IN_NAS))) + r")(\.|$)")
    assert [module for module in imports(path) if not allowed.match(module) or module == "torch.nn"] == []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"Module", "Parameter", "device", "cuda", "save", "load", "open", "print"}


# The expanded graph.


class Graph:
    """What DVC makes of dvc.yaml at one scale."""

    def __init__(self, index: object):
        self._graph = index.graph
        self._stages = {stage.name: stage for stage in index.stages}
        self.names = set(self._stages)

    def matching(self, *patterns: str) -> set[str]:
        """Names of the stages, as shell patterns."""
        return {name for name in self.names for pattern in patterns if fnmatch(name, pattern)}

    def params(self, name: str) -> set[str]:
        """Keys of params.yaml on which a stage depends."""
        return {key for dep in self._stages[name].deps for key in getattr(dep, "params", ())}

    def deps(self, name: str) -> set[str]:
        """Files and folders on which a stage depends."""
        return {dep.def_path for dep in self._stages[name].deps}

    def before(self, name: str) -> set[str]:
        """All stages that a stage needs, itself excepted."""
        return self._reach({name}, self._graph.successors)

    def after(self, names: set[str], through: Callable[[str], bool] = lambda name: True) -> set[str]:
        """All stages that need one of ``names``; a stage that fails ``through`` is reached and not passed."""
        return self._reach(names, self._graph.predecessors, through)

    def _reach(self, names: set[str], step: Callable, through: Callable[[str], bool] = lambda name: True) -> set[str]:
        waiting, found = set(names), set()
        while waiting:
            name = waiting.pop()
            if name in names or through(name):
                new = {stage.name for stage in step(self._stages[name])} - found
                found |= new
                waiting |= new
        return found - names


@pytest.fixture(scope="module", params=SCALES)
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Graph]:
    """The scale and its graph, built in an empty folder: DVC needs neither code nor results for it."""
    dvc = pytest.importorskip("dvc.repo")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "params.yaml").write_text(yaml.safe_dump({**PARAMS, "scale": request.param}), encoding="utf-8")
    with dvc.Repo.init(str(folder), no_scm=True) as repo:
        return request.param, Graph(repo.index)


def test_stages_are_one_scale_and_complete(graph: tuple[str, Graph]) -> None:
    scale, stages = graph
    variants, seeds, runs = len(PARAMS["variants"]), len(PARAMS["search_seeds"]), len(PARAMS["retrain_runs"])
    for pattern, count in {
        "search@*": variants * seeds,
        "seg_search@*": 1,
        "standalone@*": len(PARAMS["operations"]),
        "data@*": len(PARAMS["datasets"]),
        "seg_pretrain@*": len(PARAMS["cityscapes_entries"]),
        "seg_train_*": 2 * len(PARAMS["cityscapes_entries"]),
        "seg_evaluate@*": 2 * len(PARAMS["cityscapes_entries"]),
        "derive@*": variants,
        "random_cells@*": 1,
        "select_genotype@*": variants,
        "retrain@*": runs * len(PARAMS["entries"]),
        "retrain_seeds@*": variants * seeds,
        "retrain_random@*": seeds,
        "imagenet@*": len(PARAMS["imagenet_entries"]),
    }.items():
        assert len(stages.matching(pattern)) == count, pattern
    assert stages.names == stages.matching(f"*@{scale}", f"*@{scale}-*") | {"code"}


def test_report_needs_every_stage(graph: tuple[str, Graph]) -> None:
    scale, stages = graph
    report = f"report@{scale}"
    assert stages.names - stages.before(report) == {report}


def test_params_yaml_is_read_for_one_stage_alone(graph: tuple[str, Graph]) -> None:
    scale, stages = graph
    assert {name for name in stages.names if stages.params(name)} == {f"settings@{scale}"}


def test_what_follows_a_search(graph: tuple[str, Graph]) -> None:
    _, stages = graph
    reports = stages.matching("table_*", "fig_*", "findings@*", "report@*")
    # `entries` writes a file for each network, and DVC trains only those again whose file changed.
    reached = stages.after(stages.matching("search@*-eoinas-*"), lambda name: not name.startswith("entries@"))
    # The stand-alone networks are trained again only if the final cell changed, the one file that they take from the searches.
    needed = ("derive@*-eoinas", "select_genotype@*-eoinas", "retrain_seeds@*-eoinas-*", "entries@*", "standalone@*")
    assert reached - reports == stages.matching(*needed)


def test_stand_alone_networks_need_the_final_cell_alone(graph: tuple[str, Graph]) -> None:
    scale, stages = graph
    for name in stages.matching("standalone@*"):
        found = {dep for dep in stages.deps(name) if dep.startswith(f"results/{scale}") and "/settings/" not in dep}
        assert found == {f"results/{scale}/genotypes/eoinas.json"}


def test_training_needs_its_cell_and_not_the_search(graph: tuple[str, Graph]) -> None:
    _, stages = graph
    trainings = stages.matching("retrain@*", "imagenet@*")
    assert trainings
    for name in trainings:
        deps = stages.deps(name)
        assert not [dep for dep in deps if "/search/" in dep or "/derive/" in dep], name
        assert [dep for dep in deps if "/entries/" in dep], name


def test_what_follows_the_search_on_street_scenes(graph: tuple[str, Graph]) -> None:
    scale, stages = graph
    reached = stages.after({f"seg_search@{scale}"}, lambda name: not name.startswith("seg_entries@"))
    assert reached - stages.matching("table_*", "fig_*", "findings@*", "report@*") == {f"seg_entries@{scale}"}
    for name in stages.matching("seg_train_*", "seg_pretrain@*"):
        deps = stages.deps(name)
        assert not [dep for dep in deps if "/seg_search" in dep], name
        assert [dep for dep in deps if "/seg_entries/" in dep], name


def test_training_from_scratch_needs_no_pretraining(graph: tuple[str, Graph]) -> None:
    _, stages = graph
    pretrainings = stages.matching("seg_pretrain@*")
    assert pretrainings
    assert stages.matching("seg_train_pretrained@*") <= stages.after(pretrainings)
    assert not stages.matching("seg_train_scratch@*") & stages.after(pretrainings)


@pytest.mark.parametrize("name", ["seg_search", "seg_train_scratch", "seg_train_pretrained", "seg_evaluate"])
def test_moving_the_street_scenes_costs_nothing(name: str) -> None:
    """The manifest is what a training depends on, not where the pictures lie nor how they are checked."""
    assert not [dep for dep in STAGES[name]["deps"] if "cityscapes_data" in dep]
    assert "data/prepared/${item.scale}/cityscapes" in STAGES[name]["deps"]
    assert not {"eoinas/data/cityscapes_check.py", "eoinas/data/streets.py"} & closure(command(name)[0])


def test_moving_a_data_set_costs_no_training(graph: tuple[str, Graph]) -> None:
    scale, stages = graph
    users = {name for name in stages.names if f"results/{scale}/settings/imagenet_data.json" in stages.deps(name)}
    # What data_imagenet writes does not depend on where the images lie.
    assert users == {f"data_imagenet@{scale}"}
