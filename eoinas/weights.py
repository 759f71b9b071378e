"""Trained weights as safetensors: nothing in the file can run code, and equal weights are equal bytes."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import nn

from eoinas import files
from eoinas.errors import InputError


def save(network: nn.Module, path: Path) -> None:
    """Write the state of ``network``, whole or not at all."""
    files.write_bytes(path, to_bytes({name: value.cpu().contiguous() for name, value in network.state_dict().items()}))


def load(network: nn.Module, path: Path | str) -> None:
    """Fill ``network`` with what ``save`` wrote.

    Raises:
        InputError: the file is missing or damaged, or belongs to another network.
    """
    try:
        network.load_state_dict(load_file(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the stage that writes it") from None
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"{path}: not the weights of this network ({str(error).splitlines()[-1].strip():.200})") from None
