"""The documents against the project: links, files, targets and parameters that they name are there, and what they show works."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from eoinas import params, settings
from eoinas.code import ROOT
from eoinas.models import ops
from eoinas.spaces.space import Space

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
VALUES = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
# What a dotted name in backticks begins with, or ends in, where it is no parameter.
MODULES = ("eoinas", "stages", "tests", "benchmarks", "torch", "timm", "core", "dvc")
SUFFIXES = ("py", "md", "yaml", "json", "csv", "npy", "npz", "txt", "lock", "toml", "png", "zip", "safetensors", "cff", "cfg")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """What stands outside of fenced blocks."""
    return re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL)


def spans(page: Path) -> list[str]:
    """What stands in backticks outside of blocks."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def anchors(page: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_short() -> None:
    assert len(text(README).splitlines()) < 200


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall(r'src="([^"]+)"', prose(page))
    for link in links:
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_files_of_the_table_are_there() -> None:
    table = text(ROOT / "docs/design.md").partition("## Where is what")[2].partition("\n## ")[0]
    named = [name for name in re.findall(r"`([^`]+)`", table) if "/" in name or "." in name]
    named = [name for name in named if not re.search(r"[A-Z ]", name)]  # results/SCALE, commands
    assert len(named) > 30
    for name in named:
        assert (ROOT / name).exists(), name


@each_page
def test_targets_are_in_the_makefile(page: Path) -> None:
    code = "\n".join(spans(page) + blocks(page, "sh"))
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make(?: [A-Z]+=\S+)* ([a-z-]+)", code, re.MULTILINE)) <= known


def keys(page: Path) -> Iterator[str]:
    """Dotted names that can only be parameters."""
    for name in spans(page):
        if re.fullmatch(r"[A-Za-z_]\w*(\.[\w*-]+)+", name):
            first, *_, last = name.split(".")
            if first not in MODULES and last not in SUFFIXES and not re.match(r"[A-Z][a-z]", first):  # a class
                yield name


def holds(value: object, parts: list[str]) -> bool:
    """Whether a mapping has a key; ``*`` and a word in capitals stand for any."""
    if not parts:
        return True
    if not isinstance(value, dict):
        return False
    first, *rest = parts
    if re.fullmatch(r"\*|[A-Z]{2,}", first):
        return any(holds(each, rest) for each in value.values())
    return first in value and holds(value[first], rest)


@each_page
def test_parameters_are_in_params_yaml(page: Path) -> None:
    places = [VALUES, *(VALUES[name] for name in settings.scales(VALUES))]
    for key in keys(page):
        names = [key, *(key.replace(f"{block}.", f"{source}.", 1) for block, source in settings.FROM.items() if block in key)]
        assert any(holds(place, name.split(".")) for place in places for name in names), key


def test_the_table_of_scales_has_the_numbers_of_params_yaml() -> None:
    table = text(README).partition("\n## Scales")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("|")]
    names, rows = [name.strip("`") for name in rows[0][1:]], [row for row in rows[1:] if row[0].startswith("`")]
    assert len(rows) >= 5
    for head, *cells in rows:
        for name, cell in zip(names, cells, strict=True):
            found = settings.Resolver(VALUES, name, None)
            wanted = (key.split(".") for key in re.findall(r"`([^`]+)`", head))
            assert cell == ", ".join(str(params.merged(found.layers(block))[key]) for block, key in wanted), (head, name)


@each_page
def test_examples_can_be_read(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert isinstance(yaml.safe_load(block), dict)
    for block in blocks(page, "python"):
        compile("{" + block + "}" if block.startswith('"') else block, page.name, "exec")


def test_an_accuracy_of_nasbench201_is_looked_up_as_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = [block for block in blocks(ROOT / "docs/extend.md", "python") if "nasbench201" in block]
    monkeypatch.chdir(ROOT)
    exec(source, {})
    assert capsys.readouterr().out == "93.695 71.68 229\n"


def test_the_method_searches_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    (source,) = [block for block in blocks(ROOT / "docs/library.md", "python") if "pruning" in block]
    found: dict = {}
    exec(source, found)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == ["14", "24", "left:"]
    assert found["alive"].sum(-1).tolist() == [1, 1, 1, 1]
    assert found["counts"].trained.sum(-1).tolist() == [15 * 24] * 4


def merged(*pages: Path) -> dict:
    """params.yaml with everything that the pages show of it."""
    shown = [yaml.safe_load(block) for page in pages for block in blocks(page, "yaml")]
    return params.merged([params.Layer("", VALUES), *(params.Layer("", each) for each in shown)])


@pytest.mark.parametrize("names", [("README.md",), ("docs/data.md",), ("docs/extend.md",)], ids="".join)
def test_lines_of_params_yaml_that_are_shown_are_taken(names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ops.OPERATIONS, "conv_1x1", ops.OPERATIONS["sep_conv_3x3"])
    values = merged(*(ROOT / name for name in names))
    assert "mine" in settings.scales(values)
    settings.resolve(values, "demo")
    values["operations"].pop("conv_1x1", None)  # at scale paper it takes more epochs, as the page says
    settings.resolve(values, "mine")


def test_images_of_ones_own_are_taken_as_shown() -> None:
    page = ROOT / "docs/own-data.md"
    datasets, entries, scale, scenes = (yaml.safe_load(block) for block in blocks(page, "yaml"))
    demo = {name: block for name, block in VALUES["demo"].items() if name != "datasets"}
    assert scale["mine"]["repeats"] == demo["repeats"] == scale["demo"]["repeats"]
    values = {**VALUES, **datasets, **entries, "scale": "mine", "demo": demo, "mine": {**demo, **scale["mine"], **scenes["mine"]}}
    assert {name for name in settings.resolve(values, "mine") if name.startswith("data/")} == {"data/dogs"}
    settings.resolve(values, "demo")


def test_the_search_space_that_is_shown_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    (source,) = [block for block in blocks(ROOT / "docs/extend.md", "python") if "(Darts)" in block]
    defined: dict = {}
    exec(source, defined)
    space: Space = defined["Near"](tuple(VALUES["operations"]))
    assert space.shape == (2, 11, 8)
    cell = space.random(torch.Generator().manual_seed(0))
    assert space.parse(space.plain(cell), "here") == cell
    with torch.no_grad():
        logits = space.supernet(2, 3, 5, True)(torch.rand(2, 3, 8, 8), space.path(cell))
    assert logits.shape == (2, 5)
