"""Which numbers each parameter takes: what is just inside its range is accepted, what is just outside is refused."""

import math
import types
import typing
from collections.abc import Iterator

import pytest
from pydantic import TypeAdapter, ValidationError

from eoinas import params, settings

# By the parameter, or by section and parameter where sections differ. [ and ]: the end is taken, ( and ): it is not.
WHOLE = {
    "average": "[1, )",
    "draws": "[1, )",
    "C": "[1, )",
    "ImagenetParams.C": "[2, )",
    "SegNetworkParams.C": "[2, )",
    "SegSearchParams.C": "[2, )",
    "accumulate": "[1, )",
    "aspp_rates": "[1, )",
    "batch_size": "[1, )",
    "SegSearchParams.batch_size": "[2, )",
    "chain_step": "[1, )",
    "classes": "[2, )",
    "cpu_threads": "[0, )",
    "crop": "[32, )",
    "cutout": "[0, 32]",
    "digits_test": "[100, 100000]",
    "digits_train": "[100, 100000]",
    "ImagenetDataParams.digits_train": "[1, 130]",
    "digits_val": "[1, 36]",
    "drawn_height": "[64, 4096]",
    "drawn_seed": "[0, )",
    "drawn_train": "[6, 10000]",
    "drawn_val": "[6, 10000]",
    "drawn_width": "[128, 4096]",
    "edge": "[0, 7]",
    "epoch_images": "[0, )",
    "epochs": "[1, )",
    "eval_batch_size": "[1, )",
    "halves_seed": "[0, )",
    "image_size": "[16, 1024]",
    "DataParams.image_size": "[8, 1024]",
    "iterations": "[1, )",
    "layers": "[3, )",
    "low_width": "[1, )",
    "ohem_min_kept": "[1, )",
    "padding": "[0, )",
    "per_seed": "[1, )",
    "per_seed_cutout": "[0, 32]",
    "prune_every": "[1, )",
    "retrainings": "[1, )",
    "runs": "[0, )",
    "PerSeed.runs": "[1, )",
    "searches": "[1, )",
    "seed": "[0, )",
    "short_cutout": "[0, 32]",
    "short_side": "[0, )",
    "warmup": "[0, )",
    "width": "[1, )",
    "workers": "[0, )",
}
REAL = {
    "alpha_betas": "[0, 1)",
    "alpha_init_sd": "[0, )",
    "alpha_learning_rate": "(0, )",
    "alpha_weight_decay": "[0, )",
    "auxiliary_weight": "[0, )",
    "checkpoint_minutes": "(0, )",
    "drop_path": "[0, 1)",
    "epsilon_1": "[0, 1]",
    "epsilon_2": "[0, 1]",
    "grad_clip": "[0, )",
    "SearchParams.grad_clip": "(0, )",
    "SearchCifarParams.grad_clip": "(0, )",
    "BenchSearchParams.grad_clip": "(0, )",
    "SegSearchParams.grad_clip": "(0, )",
    "label_smoothing": "[0, 1)",
    "lambda_": "[0, )",
    "learning_rate": "(0, )",
    "learning_rate_decay": "(0, 1]",
    "learning_rate_min": "[0, )",
    "momentum": "[0, 1]",
    "ohem_threshold": "(0, 1]",
    "power": "(0, )",
    "scale_max": "(0, )",
    "scale_min": "(0, )",
    "sigma_first": "[0, 1]",
    "sigma_last": "[0, 1]",
    "skip_dropout": "[0, 1)",
    "temperature": "(0, )",
    "temperature_decay": "(0, 1]",
    "temperature_last": "[0, )",
    "weight_decay": "[0, )",
}
LEAST = {"alpha_betas": 2, "operations": 2}  # length of a list that has one; the others have 1
MULTIPLES = {
    **dict.fromkeys(("ImagenetParams.C", "SegNetworkParams.C", "SegSearchParams.C"), 2),
    **dict.fromkeys(("DataParams.digits_test", "DataParams.digits_train"), 100),
}


def sections(above: type) -> Iterator[type[params.Section]]:
    for section in above.__subclasses__():
        if section.__module__.startswith("eoinas."):
            yield section
        yield from sections(section)


def parts(annotation: object, metadata: tuple = ()) -> Iterator[tuple[type, object, bool]]:
    """Number types and lists of an annotation, each with what limits it, and whether anything does."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        inner, *more = typing.get_args(annotation)
        yield from parts(inner, (*metadata, *more))
    elif origin in (typing.Union, types.UnionType):
        for inner in typing.get_args(annotation):
            yield from parts(inner, metadata)
    elif annotation in (int, float) or origin is list or annotation is list:
        kind = list if origin is list or annotation is list else annotation
        yield kind, typing.Annotated[(list if kind is list else kind, *metadata)] if metadata else None, bool(metadata)
        if origin is list:
            yield from parts(typing.get_args(annotation)[0])


def limited() -> list[tuple[str, str, type, object]]:
    """Every parameter that takes a limited number, or a list of a limited length."""
    assert settings.Top in sections(params.Section)
    found = []
    for section in dict.fromkeys(sections(params.Section)):
        for name, field in section.model_fields.items():
            for kind, annotation, has_limits in parts(field.annotation, tuple(field.metadata)):
                if has_limits:
                    found.append((section.__name__, name, kind, annotation))
    return found


def takes(annotation: object, value: object) -> bool:
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("section", "name", "kind", "annotation"), limited(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_ends_of_a_range(section: str, name: str, kind: type, annotation: object) -> None:
    if kind is list:
        least = LEAST.get(name, 1)
        assert takes(annotation, [0] * least)
        assert not takes(annotation, [0] * (least - 1))
        assert takes(annotation, [0] * (least + 1)) == (name != "alpha_betas")
        return
    table = WHOLE if kind is int else REAL
    interval = table.get(f"{section}.{name}") or table[name]
    low, high = interval[1:-1].split(", ")
    step = MULTIPLES.get(f"{section}.{name}", 1) if kind is int else 1e-9
    for end, closed, outward in ((low, interval[0] == "[", -step), (high, interval[-1] == "]", step)):
        if end:
            assert takes(annotation, kind(end)) == closed, (interval, end)
            assert takes(annotation, kind(end) - outward), (interval, end)
            assert not takes(annotation, kind(end) + outward), (interval, end)
    if kind is float:
        assert not any(takes(annotation, value) for value in (math.inf, -math.inf, math.nan))
    if not high:
        assert takes(annotation, kind(10**9))
    if step > 1:
        assert not takes(annotation, int(low) + step // 2)


def test_every_row_of_the_tables_is_a_parameter() -> None:
    names = {(section, name) for section, name, _, _ in limited()}
    for row in (*WHOLE, *REAL, *LEAST, *MULTIPLES):
        section, _, name = row.rpartition(".")
        assert any(name == other and section in ("", where) for where, other in names), row
