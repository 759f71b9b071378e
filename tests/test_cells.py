import json
import random
from itertools import combinations
from pathlib import Path

import pytest

from eoinas import plan as plans
from eoinas.errors import InputError
from eoinas.report import cells, ink, layout
from eoinas.report.cell import Cell, parse
from tests.report_fixture import OPERATIONS, SMALL_OPERATIONS, SMALL_SPACE, SPACE

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text())["cells"]
GENOTYPES = {name: parse(entry["genotype"], name) for name, entry in ORACLE.items()}


KNOWN = {name: plans.Operation(**operation) for name, operation in OPERATIONS.items()}
NAMES = [name for name in OPERATIONS if name != "none"]


def random_cell(seed: int) -> Cell:
    """Of the paper's search space, or every third time of another one, all of whose edges are kept."""
    rng = random.Random(seed)
    if seed % 3 == 2:
        return Cell("cell", 1, tuple((rng.choice(NAMES), i, j) for i, j in SMALL_SPACE["edges"]), None)
    return Cell(
        "normal", 2, tuple((rng.choice(NAMES), rng.randrange(node), node) for node in range(2, 6) for _ in range(2)), (2, 3, 4, 5)
    )


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
    panel = cells._Panel("cell", random_cell(seed), KNOWN)
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
    cell = random_cell(seed)
    panel = cells._Panel("cell", cell, KNOWN)
    drawn = [(edge.operation.label, edge.source, edge.target) for edge in panel.edges if edge.label is not None]
    assert drawn == [(KNOWN[name].label, source, target) for name, source, target in cell.edges]
    assert len(panel.edges) == len(cell.edges) + len(cell.concat or ())
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
        cells.draw(GENOTYPES["gdas_v1"], tmp_path / name, "GDAS", KNOWN)
    content = (tmp_path / "a.png").read_bytes()
    assert content == (tmp_path / "b.png").read_bytes()
    assert b"Software" not in content
    assert b"tEXt" not in content
    cells.draw(GENOTYPES["gdas_v1"], tmp_path / "b.png", "other title", KNOWN)
    assert content != (tmp_path / "b.png").read_bytes()


def test_many_cells_in_one_picture(tmp_path: Path) -> None:
    def size(path: Path) -> tuple[int, int]:
        header = path.read_bytes()[16:24]  # IHDR: width and height, 4 bytes each
        return int.from_bytes(header[:4]), int.from_bytes(header[4:])

    cells.draw_many({"baseline": GENOTYPES["darts_v1"]}, tmp_path / "one.png", KNOWN)
    cells.draw_many({"baseline": GENOTYPES["darts_v1"], "baseline + SSS $x$": GENOTYPES["darts_v1"]}, tmp_path / "two.png", KNOWN)
    (width, height), (width_two, height_two) = size(tmp_path / "one.png"), size(tmp_path / "two.png")
    assert width_two >= width
    foot = 150 * cells.FOOT  # the line that says what a dashed outline means
    assert height_two == pytest.approx(2 * height - foot, abs=2)


def test_concat_of_fewer_nodes(tmp_path: Path) -> None:
    cell = random_cell(0)._replace(concat=(3, 5))
    cells.draw([cell], tmp_path / "x.png", "", KNOWN)
    assert "c_{k} = concat(3, 5)" in cells.as_text([cell])


def test_a_cell_that_keeps_all_edges(tmp_path: Path) -> None:
    space = plans.Space(**SMALL_SPACE)
    pairs = [[SMALL_OPERATIONS[index % 5], source] for index, (source, _) in enumerate(space.edges)]
    (cell,) = parse({"cell": pairs}, "x", space)
    assert (cell.inputs, cell.concat, cell.output, cell.title) == (1, None, 3, "cell")
    assert cell.edges == (
        *(("none", 0, 1), ("skip_connect", 0, 2), ("nor_conv_1x1", 1, 2)),
        *(("nor_conv_3x3", 0, 3), ("avg_pool_3x3", 1, 3), ("none", 2, 3)),
    )
    assert cells.as_text([cell]).splitlines() == [
        "cell",
        "  node 1 = none(c_{k-1})",
        "  node 2 = skip_connect(c_{k-1}) + nor_conv_1x1(1)",
        "  c_{k} = nor_conv_3x3(c_{k-1}) + avg_pool_3x3(1) + none(2)",
    ]
    cells.draw([cell], tmp_path / "x.png", "small", space.operations)


def test_cells_with_equal_edges_are_the_same() -> None:
    one, other = GENOTYPES["darts_v1"], GENOTYPES["darts_v2"]
    assert one[0].same_as != other[0].same_as
    turned = one[0]._replace(edges=one[0].edges[1::-1] + one[0].edges[2:], concat=one[0].concat[::-1])
    assert turned.same_as == one[0].same_as


@pytest.mark.parametrize(
    "value",
    [
        *(None, [], {}, {"normal": []}, {"normal": [["skip_connect", 0]] * 8, "reduce": [["skip_connect"]] * 8}),
        *({"normal": [["skip_connect", 0]] * 7, "reduce": []}, {"normal": [["skip_connect", 7]] * 8, "reduce": []}),
        {"normal": 3, "reduce": 3},
    ],
)
def test_what_is_no_cell_is_one_line(value: object) -> None:
    with pytest.raises(InputError, match=r"^x: not a cell of this search space"):
        parse(value, "x", plans.Space(**SPACE))


def test_default_looks_depend_on_the_name_alone() -> None:
    found = cells.operations(["sep_conv_3x3", "skip_connect", "new_thing"], ["sep_conv_3x3"])
    assert found["sep_conv_3x3"] == cells.operations(["sep_conv_3x3"], ["sep_conv_3x3"])["sep_conv_3x3"]
    assert [operation.label for operation in found.values()] == ["sep conv 3x3", "skip connect", "new thing"]
    assert [operation.weights for operation in found.values()] == [True, False, False]
    colours = {cells.operations([name])[name].colour for name in OPERATIONS}
    assert len(colours) == 6  # one a kind: skip, none, sep, dil, avg, max
    assert len(colours | {cells.operations([name])[name].colour for name in ("conv_1x1", "nor_conv_3x3")}) == 8


@pytest.mark.parametrize("colour", ["#fdae6b", "#000000", "#ffffff", "#74a9cf", "#00ff00"])
def test_letters_can_be_read(colour: str) -> None:
    luminance = [ink._luminance(ink._parts(shade)) for shade in (ink.fill(colour), ink.letters(colour))]
    assert (luminance[0] + 0.05) / (luminance[1] + 0.05) >= ink.CONTRAST - 0.1


def test_a_label_fits_its_box() -> None:
    wide = {**KNOWN, "skip_connect": plans.Operation(label="WWWWWWWWWWWWWWWWWWWW", colour="#000000", weights=False)}
    narrow, broad = (cells._Panel("cell", random_cell(0), known).label_width for known in (KNOWN, wide))
    assert broad > 2 * narrow
    assert broad >= 20 * 0.98 * cells.LABEL_FONT / 72  # a W of this face is 0.989 em wide
