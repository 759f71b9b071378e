"""The discrete cell: what a search ends in and what every network is built from (Sec. III-A)."""

from dataclasses import asdict, dataclass
from pathlib import Path

from eoinas import formats, published
from eoinas.errors import InputError

INPUTS = 2  # nodes 0 and 1: outputs of the two cells before
NODES = 4  # intermediate nodes 2..5; node 6 concatenates them, so N = 7
CELLS = ("normal", "reduce")
_NONE = "none"  # the zero operation, which is in no derived cell


@dataclass(frozen=True)
class Genotype:
    """A normal and a reduction cell: for each intermediate node in turn two (operation, input node) pairs."""

    normal: tuple[tuple[str, int], ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[tuple[str, int], ...]
    reduce_concat: tuple[int, ...]


def parse(value: object, where: str) -> Genotype:
    """Check a genotype's plain form, a dict of lists as JSON has it.

    Args:
        value: what JSON gave.
        where: the file it came from, for the message.

    Raises:
        InputError: a field is missing or unknown, an operation unknown, an input index out of range, a count wrong.
    """
    fields = {f"{cell}{suffix}" for cell in CELLS for suffix in ("", "_concat")}
    if not isinstance(value, dict) or set(value) != fields:
        raise InputError(f"{where}: a genotype has exactly the fields {', '.join(sorted(fields))}")
    parts = {}
    for cell in CELLS:
        parts[cell] = _edges(value[cell], f"{where}: {cell}")
        parts[f"{cell}_concat"] = _concat(value[f"{cell}_concat"], f"{where}: {cell}_concat")
    return Genotype(**parts)


def _edges(value: object, where: str) -> tuple[tuple[str, int], ...]:
    if not isinstance(value, list) or len(value) != 2 * NODES:
        raise InputError(f"{where} must list {2 * NODES} pairs, two for each of {NODES} nodes")
    from eoinas.models.ops import OPERATIONS  # where torch is needed; the rest of this file is not

    known = [name for name in OPERATIONS if name != _NONE]
    pairs = []
    for index, pair in enumerate(value):
        if not isinstance(pair, list) or len(pair) != 2:
            raise InputError(f"{where}[{index}] must be a pair [operation, input node], not {pair!r:.80}")
        operation, source = pair
        node = INPUTS + index // 2
        if operation not in known:
            raise InputError(f"{where}[{index}]: unknown operation {operation!r:.80}; one of {', '.join(known)}")
        if type(source) is not int or not 0 <= source < node:
            raise InputError(f"{where}[{index}]: node {node} takes an input node from 0 to {node - 1}, not {source!r:.80}")
        pairs.append((operation, source))
    return tuple(pairs)


def _concat(value: object, where: str) -> tuple[int, ...]:
    nodes = list(range(INPUTS, INPUTS + NODES))
    valid = isinstance(value, list) and value and all(type(node) is int and node in nodes for node in value)
    if not valid or len(set(value)) != len(value):
        raise InputError(f"{where} must list distinct nodes out of {nodes}, not {value!r:.80}")
    return tuple(value)


def load(path: Path | str) -> Genotype:
    """Read and check a genotype: JSON, or a published cell as text, ``Genotype(normal=[...], ...)``, which is parsed and not run.

    Raises:
        InputError: the file is missing or holds no valid genotype.
    """
    text = formats.read_text(path)
    printed = "Genotype" in text and not text.lstrip().startswith("{")
    return parse(published.parse(text, str(path)) if printed else formats.read_json(path), str(path))


def plain(genotype: Genotype) -> dict:
    """The form that JSON holds; ``parse(plain(g), ...) == g``."""
    return {name: [list(item) if isinstance(item, tuple) else item for item in part] for name, part in asdict(genotype).items()}


def save(path: Path | str, genotype: Genotype) -> None:
    """Write a genotype JSON: a few hundred bytes, no timestamp."""
    formats.write_json(path, plain(genotype))
