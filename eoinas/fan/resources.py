"""What each stage takes of a machine: resources.yaml, globs of stages with a share of a GPU and a number of cores."""

import fnmatch
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from eoinas.errors import InputError
from eoinas.params import read_yaml

FILE = Path("resources.yaml")


class Need(BaseModel):
    """What a stage takes while it runs; no result depends on it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    gpu: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0  # a share of one GPU, or a number of whole ones
    cpu: Annotated[int, Field(gt=0)] = 1  # cores; a machine with fewer gives all
    short: bool = False  # takes seconds: several go into one process of DVC, and with Slurm it is no job
    sbatch: str = ""  # more arguments of its job

    @field_validator("gpu", mode="after")
    @classmethod
    def _share_or_number(cls, gpu: float) -> float:
        if gpu > 1 and gpu != int(gpu):
            raise ValueError("above 1 only whole GPUs")
        return gpu


Rules = list[tuple[str, Need]]


def read(path: Path = FILE) -> Rules:
    """The globs with what they take, in their order.

    Raises:
        InputError: the file is missing or broken.
    """
    try:
        values = read_yaml(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: must map globs of stages to what they take, such as 'search*': {{gpu: 0.25, cpu: 2}}")
    rules = []
    for glob, given in values.items():
        try:
            rules.append((str(glob), Need.model_validate(given)))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join([str(glob), *map(str, first["loc"])])
            raise InputError(f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}, not {first['input']!r:.80}") from None
    return rules


def of(stages: Iterable[str], rules: Rules) -> dict[str, Need]:
    """What each stage takes by the first glob that fits; one core where none does."""
    return {stage: next((need for glob, need in rules if fnmatch.fnmatchcase(stage, glob)), Need()) for stage in stages}
