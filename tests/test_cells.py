import json
import random
from itertools import combinations
from pathlib import Path

import pytest

from eoinas.genotype import INPUTS, NODES, OPERATIONS, Genotype, parse
from eoinas.report import cells, layout

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]
GENOTYPES = {name: parse(entry["genotype"], name) for name, entry in ORACLE.items()}


def random_edges(seed: int) -> tuple[tuple[str, int], ...]:
    rng = random.Random(seed)
    names = [name for name in OPERATIONS if name != "none"]
    return tuple((rng.choice(names), rng.randrange(node)) for node in range(INPUTS, INPUTS + NODES) for _ in range(2))


def test_text_of_a_cell() -> None:
    assert cells.as_text(GENOTYPES["eoinas_cifar"]).splitlines()[:6] == [
        "normal cell",
        "  node 2 = sep_conv_3x3(c_{k-2}) + sep_conv_3x3(c_{k-1})",
        "  node 3 = skip_connect(c_{k-2}) + sep_conv_3x3(2)",
        "  node 4 = skip_connect(c_{k-1}) + sep_conv_5x5(3)",
        "  node 5 = skip_connect(c_{k-1}) + dil_conv_5x5(4)",
        "  c_{k} = concat(2, 3, 4, 5)",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_lies_on_anything_else(seed: int) -> None:
    panel = cells._Panel("cell", random_edges(seed), (2, 3, 4, 5))
    for one, other in combinations(range(len(panel.parts)), 2):
        first, second = panel.parts[one], panel.parts[other]
        if first.column == second.column:
            room = abs(panel.y[one] - panel.y[other]) - (first.height + second.height) / 2
            assert room > cells.GAP - 1e-6
    edges_of_columns = [side for x, half in zip(panel.x, panel.half, strict=True) for side in (x - half, x + half)]
    assert edges_of_columns == sorted(edges_of_columns)
    assert all(part.height / 2 <= y + 1e-9 <= panel.height for part, y in zip(panel.parts, panel.y, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_every_edge_runs_left_to_right_through_its_label(seed: int) -> None:
    edges = random_edges(seed)
    panel = cells._Panel("cell", edges, (2, 3, 4, 5))
    drawn = [(edge.text, edge.source, edge.target) for edge in panel.edges if edge.label is not None]
    assert drawn == [(name, source, INPUTS + index // 2) for index, (name, source) in enumerate(edges)]
    for edge in panel.edges:
        columns = [panel.parts[part].column for part in (edge.source, *edge.through, edge.target)]
        assert columns == list(range(columns[0], columns[-1] + 1))


def test_an_avoidable_crossing_is_avoided() -> None:
    parts = [layout.Part(0, 1.0), layout.Part(0, 1.0), layout.Part(1, 1.0), layout.Part(1, 1.0)]
    y = layout.heights(parts, [(0, 3), (1, 2)], 0.5)
    assert y[0] > y[1]
    assert y[3] > y[2]
    assert y[0] == pytest.approx(y[3])


def test_same_bytes_each_time_without_a_timestamp_or_version(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        cells.draw(GENOTYPES["gdas_v1"], tmp_path / name, "GDAS")
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"Software" not in content
    assert b"tEXt" not in content
    cells.draw(GENOTYPES["gdas_v1"], tmp_path / "b.png", "other title")
    assert content != (tmp_path / "b.png").read_bytes()


def test_many_cells_in_one_picture(tmp_path: Path) -> None:
    def size(path: Path) -> tuple[int, int]:
        header = path.read_bytes()[16:24]  # IHDR: width and height, 4 bytes each
        return int.from_bytes(header[:4]), int.from_bytes(header[4:])

    cells.draw_many({"baseline": GENOTYPES["darts_v1"]}, tmp_path / "one.png")
    cells.draw_many({"baseline": GENOTYPES["darts_v1"], "baseline + SSS $x$": GENOTYPES["darts_v1"]}, tmp_path / "two.png")
    (width, height), (width_two, height_two) = size(tmp_path / "one.png"), size(tmp_path / "two.png")
    assert width_two >= width
    assert height_two == pytest.approx(2 * height, abs=2)


def test_concat_of_fewer_nodes(tmp_path: Path) -> None:
    edges = random_edges(0)
    genotype = Genotype(edges, (5,), edges, (3, 5))
    cells.draw(genotype, tmp_path / "x.png", "")
    assert "c_{k} = concat(3, 5)" in cells.as_text(genotype)
