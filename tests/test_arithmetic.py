"""What the parameters of arithmetic mean to torch."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from eoinas.train import arithmetic


@pytest.mark.parametrize(("channels_last", "expected"), [(True, torch.channels_last), (False, torch.contiguous_format)])
def test_layout(channels_last: bool, expected: torch.memory_format) -> None:
    assert arithmetic.layout(SimpleNamespace(channels_last=channels_last)) is expected


@pytest.mark.parametrize(("precision", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_precision_is_that_of_the_forward_pass(precision: str, expected: torch.dtype) -> None:
    layer = nn.Linear(2, 2)
    with arithmetic.autocast(SimpleNamespace(precision=precision), torch.device("cpu")):
        assert layer(torch.ones(1, 2)).dtype is expected
    assert arithmetic.scaler(SimpleNamespace(precision=precision), torch.device("cpu")).is_enabled() == (precision == "fp16")
