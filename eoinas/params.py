"""params.yaml, read into typed sections. Every consumer declares its own section beside the code that uses it."""

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from eoinas.errors import InputError

FILE = "params.yaml"
Scale = Literal["demo", "study", "paper"]
Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]


class Section(BaseModel):
    """A block of params.yaml: immutable, every key required, none unknown, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    shared: ClassVar[str] = ""  # a top-level block that gives the keys which the section's own block does not


T = TypeVar("T", bound=Section)


class Entry(Section):
    """One line of ``entries.<data set>``: a network that is retrained.

    ``genotype`` is a searched variant, ``random``, or the path of a genotype JSON; ``cutout`` the side of the square that is
    masked out of every training image, in pixels of a 32-pixel image (0: no cutout).
    """

    genotype: str
    cutout: Annotated[int, Field(ge=0, le=32)]


class Transfer(Section):
    """One line of ``entries.imagenet`` or ``entries.cityscapes``: a network that is trained there.

    ``genotype`` as in ``Entry``; for Cityscapes ``cityscapes``, the cell of the search there, or the path of a genotype JSON.
    """

    genotype: str


class Entries(Section):
    """What is trained on which data set."""

    cifar10: Annotated[dict[Name, Entry], Field(min_length=1)]
    cifar100: Annotated[dict[Name, Entry], Field(min_length=1)]
    imagenet: Annotated[dict[Name, Transfer], Field(min_length=1)]
    cityscapes: Annotated[dict[Name, Transfer], Field(min_length=1)]

    @property
    def cifar(self) -> dict[str, dict[str, Entry]]:
        """The entries of the two CIFAR data sets."""
        return {"cifar10": self.cifar10, "cifar100": self.cifar100}


def _numbers(text: str) -> range:
    """The numbers of "3", one, or of "0-9", ten; none if the text is neither."""
    if not re.fullmatch(r"[0-9]+(-[0-9]+)?", text):
        return range(0)
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _items(groups: list) -> list[tuple[str, int]]:
    return [(str(group), number) for group in groups for number in _numbers(str(group))]


def _twice(groups: list) -> bool:
    found = [number for _, number in _items(groups)]
    return len(set(found)) < len(found)


class Top(Section):
    """The top level of params.yaml."""

    lambda_: NonNegative = Field(alias="lambda")
    scale: Scale
    search_seeds: Annotated[list, Field(min_length=1)]
    retrain_runs: Annotated[list, Field(min_length=1)]
    standalone_operations: Annotated[list, Field(min_length=1)]
    entries: Entries
    method: dict
    demo: dict
    study: dict
    paper: dict

    @field_validator("search_seeds", "retrain_runs", "standalone_operations")
    @classmethod
    def _numbers_are_distinct(cls, groups: list) -> list:
        if not all(isinstance(group, int | str) and _numbers(str(group)) for group in groups) or _twice(groups):
            raise ValueError("an item is a number, such as 3, or a range of them, such as 0-9, and no number comes twice")
        return groups

    @field_validator("standalone_operations")
    @classmethod
    def _operations_are_complete(cls, groups: list) -> list:
        if sorted(number for _, number in _items(groups)) != list(range(8)):
            raise ValueError("must be the numbers 0 to 7 of the operations of Sec. III-A, each once")
        return groups

    @property
    def searches(self) -> list[tuple[str, int]]:
        """For every seed of ``search_seeds`` the item that it belongs to, which is one stage, and its number."""
        return _items(self.search_seeds)

    @property
    def seeds(self) -> list[int]:
        """All seeds of ``search_seeds``."""
        return [seed for _, seed in self.searches]

    @property
    def runs(self) -> list[tuple[str, int]]:
        """For every run of ``retrain_runs`` the item that it belongs to, which is one stage, and its number."""
        return _items(self.retrain_runs)

    @property
    def operations(self) -> list[tuple[str, int]]:
        """For every operation of ``standalone_operations`` the item that it belongs to, which is one stage, and its number."""
        return _items(self.standalone_operations)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML as DVC writes it: 1e-05 is a number (PyYAML alone reads a string), a key twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise InputError(f"{FILE}: the key '{twice[0]}' stands twice in one block; remove one of them")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def read() -> dict:
    """The whole of params.yaml as plain values.

    Raises:
        InputError: the file is missing, is not YAML, or is no mapping.
    """
    try:
        with open(FILE, encoding="utf-8") as file:
            values = yaml.load(file, _Loader)
    except FileNotFoundError:
        raise InputError(f"{FILE}: no such file; run from the project's top folder") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{FILE}: not YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise InputError(f"{FILE}: must be a mapping of keys to values")
    return values


def build(section: type[T], values: object, where: str, shared: Iterable[str] = ()) -> T:
    """``values`` checked and typed as ``section``; ``where`` is their key in params.yaml, for the message.

    Args:
        shared: the keys of ``values`` that are from the block ``section.shared``.

    Raises:
        InputError: a key is unknown or missing, or a value has the wrong type or is out of range.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        # A mistyped key is both unknown and missing; the unknown one is what the user wrote.
        first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
        where = section.shared if first["loc"] and first["loc"][0] in shared else where
        key = ".".join(str(part) for part in (*where.split("."), *first["loc"]) if part != "")
        given = "" if first["type"] in ("missing", "extra_forbidden") else f", not {first['input']!r:.80}"
        reason = {"missing": "is missing", "extra_forbidden": "is not a known parameter"}.get(first["type"])
        raise InputError(f"{FILE}: {key}: {reason or first['msg']}{given}") from None


def top() -> Top:
    """The top level of params.yaml, checked.

    Raises:
        InputError: as ``build``.
    """
    return build(Top, read(), "")


def block(scale: str) -> dict:
    """All that stands under a scale.

    Raises:
        InputError: there is no such scale.
    """
    if scale not in Scale.__args__:
        raise InputError(f"unknown scale '{scale}'; one of {', '.join(Scale.__args__)}")
    values = read().get(scale)
    if not isinstance(values, dict):
        raise InputError(f"{FILE}: {scale} must be a block of parameters")
    return values


def load(section: type[T], scale: str, name: str) -> T:
    """The block ``<scale>.<name>`` as ``section``, with what it leaves to the block ``section.shared``.

    Raises:
        InputError: as ``build``, or there is no such scale or block.
    """
    values = block(scale)
    if name not in values:
        raise InputError(f"{FILE}: {scale}.{name} is missing")
    own, shared = values[name], read().get(section.shared, {})
    if not (isinstance(own, dict) and isinstance(shared, dict)):
        return build(section, own, f"{scale}.{name}")
    return build(section, {**shared, **own}, f"{scale}.{name}", shared.keys() - own.keys())


def numbers(text: str) -> range:
    """What an item of ``search_seeds``, ``retrain_runs`` or ``standalone_operations`` on the command line stands for.

    Raises:
        InputError: it is neither a number nor a range of numbers.
    """
    if not (found := _numbers(text)):
        raise InputError(f"'{text}' is neither a number, such as 3, nor a range of numbers, such as 0-9")
    return found


def choice(text: str, known: Iterable[str], what: str) -> str:
    """A name from the command line that must be one of ``known``.

    Raises:
        InputError: it is not.
    """
    if text not in known:
        raise InputError(f"unknown {what} '{text}'; one of {', '.join(known)}")
    return text


def known_blocks(scale: str, names: Iterable[str]) -> None:
    """Raise InputError where the scale has a block that no stage reads."""
    for name in block(scale):
        if name not in names:
            raise InputError(f"{FILE}: {scale}.{name}: is not a known parameter; the blocks are {', '.join(names)}")


class _Lambda(Section):
    lambda_: NonNegative = Field(alias="lambda")


def lambda_() -> float:
    """The weight of beta in eq. (10), top-level ``lambda``.

    Raises:
        InputError: it is missing, negative or not a number.
    """
    return build(_Lambda, {key: value for key, value in read().items() if key == "lambda"}, "").lambda_
