"""params.yaml and the files that the stage `settings` makes of it, read into typed sections.

Every consumer declares its own section beside the code that uses it; ``eoinas.settings`` says which values go into which.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eoinas.errors import InputError

FILE = "params.yaml"
SETTINGS = "results/{scale}/settings/{name}.json"
BASE = "paper"  # the scale that says everything; the others say what they change
Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
NAME = r"^[A-Za-z0-9_]+$"


class Section(BaseModel):
    """A block of parameters: immutable, every key required, none unknown, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=False)

    def dumped(self) -> dict:
        """As JSON has it."""
        return self.model_dump(mode="json", by_alias=True)


T = TypeVar("T", bound=Section)


class Layer(NamedTuple):
    """Values and where they stand in params.yaml. Of several layers the later wins, key by key."""

    where: str
    values: Mapping[str, Any]


class _Twice(Exception):
    """A key."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML as DVC writes it: 1e-05 is a number (PyYAML alone reads a string), a key twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise _Twice(twice[0])
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path | str) -> object:
    """A YAML file as plain values.

    Raises:
        InputError: it is not YAML, or has a key twice.
        OSError: it cannot be read.
    """
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except _Twice as error:
        raise InputError(f"{path}: the key '{error}' stands twice in one block; remove one of them") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: the 13th month, or no UTF-8
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from None


def read() -> dict:
    """The whole of params.yaml as plain values.

    Raises:
        InputError: the file is missing, is not YAML, or is no mapping.
    """
    try:
        values = read_yaml(FILE)
    except FileNotFoundError:
        raise InputError(f"{FILE}: no such file; run from the project's top folder") from None
    if not isinstance(values, dict):
        raise InputError(f"{FILE}: must be a mapping of keys to values")
    return values


def merged(layers: Iterable[Layer]) -> dict:
    """The values of all layers, mappings merged, everything else replaced by the later.

    Raises:
        InputError: a layer is no mapping.
    """
    result: dict = {}
    for where, values in layers:
        if not isinstance(values, Mapping):
            raise InputError(f"{FILE}: {where} must be a block of parameters, not {values!r:.80}")
        for key, value in values.items():
            both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
            result[key] = merged([Layer("", result[key]), Layer(f"{where}.{key}", value)]) if both else value
    return result


def build(section: type[T], layers: Iterable[Layer], where: str | None = None) -> T:
    """The merged ``layers`` checked and typed as ``section``.

    Args:
        where: where a missing key belongs; the last layer unless given.

    Raises:
        InputError: a key is unknown or missing, or a value has the wrong type or is out of range.
    """
    layers = list(layers)
    try:
        return section.model_validate(merged(layers))
    except ValidationError as error:
        reason, loc = _first(error)
        own = layers[-1].where if where is None else where
        found = next((layer.where for layer in reversed(layers) if _holds(layer.values, loc)), own)
        key = ".".join(part for part in (found, *map(str, loc)) if part != "")
        raise InputError(f"{FILE}: {key}: {reason}") from None


def _first(error: ValidationError) -> tuple[str, tuple]:
    """What is wrong first, and with which key. A mistyped key is unknown and missing; the unknown one is what the user wrote."""
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    given = "" if first["type"] in ("missing", "extra_forbidden") else f", not {first['input']!r:.80}"
    known = {"missing": "is missing", "extra_forbidden": "is not a known parameter"}
    reason = known.get(first["type"], first["msg"].removeprefix("Value error, "))
    return reason + (given if first["loc"] else ""), first["loc"]


def _holds(values: object, loc: tuple) -> bool:
    for key in loc:
        if not isinstance(values, Mapping) or key not in values:
            return isinstance(key, int)  # an item of a list: the list is the layer's
        values = values[key]
    return bool(loc)


def read_settings(section: type[T], scale: str, name: str) -> T:
    """A file that the stage `settings` wrote for a consumer, as ``section``.

    Raises:
        InputError: the file is missing or damaged.
    """
    path = SETTINGS.format(scale=scale, name=name)
    try:
        with open(path, encoding="utf-8") as file:
            return section.model_validate_json(file.read())
    except FileNotFoundError:
        known = "; run `dvc repro` or python -m stages.settings SCALE"
        raise InputError(f"{path}: no such file: {FILE} has no such scale or item{known}") from None
    except (ValidationError, UnicodeDecodeError) as error:
        reason, loc = _first(error) if isinstance(error, ValidationError) else (str(error), ())
        key = ".".join(map(str, loc))
        raise InputError(f"{path}: {key}{': ' * bool(key)}{reason}; run python -m stages.settings {scale}") from None


class Machine(Section):
    """How a stage uses the machine. It cannot change a result, so no stage depends on it and no saved state is lost by it."""

    workers: Annotated[int, Field(ge=0)]  # processes a GPU that read images ahead; 0: none
    checkpoint_minutes: PositiveFloat  # between two saved states


def machine(scale: str, stage: str, whole: Mapping[str, Any] | None = None) -> Machine:
    """The block ``machine`` for a stage: what it says of the stage at this scale, of the scale, of the stage at BASE, of BASE.

    Args:
        whole: all of params.yaml; read unless given.

    Raises:
        InputError: as ``build``.
    """
    values = (read() if whole is None else whole).get("machine")
    if not isinstance(values, dict) or not isinstance(values.get(BASE), dict):
        raise InputError(f"{FILE}: machine.{BASE} must be a block of parameters")
    layers = []
    for name in dict.fromkeys((BASE, scale)):
        own = values.get(name) or {}
        if not isinstance(own, dict):
            raise InputError(f"{FILE}: machine.{name} must be a block of parameters")
        layers.append(Layer(f"machine.{name}", {key: value for key, value in own.items() if not isinstance(value, dict)}))
        layers.append(Layer(f"machine.{name}.{stage}", own.get(stage, {})))
    return build(Machine, layers)


def seeds(scale: str, name: str) -> list[int]:
    """The field ``seeds`` of a file that the stage `settings` wrote, without the section that checks the rest of it.

    Raises:
        InputError: the file is missing or damaged.
    """

    class _Seeds(Section):
        model_config = ConfigDict(extra="ignore")

        seeds: list[int]

    return read_settings(_Seeds, scale, name).seeds


def numbers(item: object) -> range:
    """The numbers of "3", one, or of "0-9", ten: an item of ``search_seeds`` or ``retrain_runs``.

    Raises:
        InputError: it is neither a number nor a range of numbers.
    """
    text = str(item)
    if isinstance(item, bool) or not re.fullmatch(r"[0-9]{1,5}(-[0-9]{1,5})?", text):
        raise InputError(f"'{text:.40}' is neither a number, such as 3, nor a range of numbers, such as 0-9 (five digits each)")
    first, _, last = text.partition("-")
    if not (found := range(int(first), int(last or first) + 1)):
        raise InputError(f"'{text}' is a range of no numbers; write the smaller one first")
    return found


def of_item(groups: Iterable[object], count: int) -> Iterator[tuple[str, int]]:
    """For every number below ``count`` the item that it belongs to, which is one stage, and the number."""
    return ((str(group), number) for group in groups for number in numbers(group) if number < count)


def choice(text: str, known: Iterable[str], what: str) -> str:
    """A name that must be one of ``known``.

    Raises:
        InputError: it is not.
    """
    if text not in (known := list(known)):
        raise InputError(f"unknown {what} '{text}'; one of {', '.join(map(str, known))}")
    return text


def as_json(section: Section) -> str:
    """A resolved section as a person can read it: a key a line."""
    return json.dumps(section.dumped(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"
