"""Candidates of a selection: a cell and its score on the alpha half of the training images (choice A12)."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from eoinas import params
from eoinas.checkpoint import Checkpoint
from eoinas.data.images import Images
from eoinas.errors import InputError
from eoinas.genotype import CELLS, EDGES, OPERATIONS, Genotype
from eoinas.nas import derive
from eoinas.train import classify

SHAPE = (len(CELLS), len(EDGES), len(OPERATIONS))


class DeriveParams(params.Section):
    """How the cell is read from a finished search and how it is scored; see params.yaml."""

    edge_rank: Literal["before_last_prune", "after"]
    by: Literal["supernet", "retrain"]
    eval_batch_size: params.Positive
    short: classify.RetrainParams
    short_cutout: Annotated[int, Field(ge=0, le=32)]


def derive_cell(trace: Path, edge_rank: str) -> Genotype:
    """The cell of a finished search.

    Args:
        trace: trace.npz of the search.
        edge_rank: edges ranked by I from before the last prune or after it (choice D12).

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with np.load(trace, allow_pickle=False) as arrays:
            every, after, alive = (torch.from_numpy(arrays[name]) for name in ("I", "I_final", "alive_final"))
            prunes = arrays["prune_epochs"]
            before = every[arrays["epoch"] <= prunes[-1] if len(prunes) else slice(None)]
        chosen = before[-1] if edge_rank == "before_last_prune" else after
        return derive.derive(chosen.reshape(SHAPE), alive.reshape(SHAPE))
    except FileNotFoundError:
        raise InputError(f"{trace}: no such file; run the search first") from None
    except Exception as error:  # a damaged archive can raise anything at all
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{trace}: not the trace of a search ({reason}); run the search again") from None


def score_by_retraining(
    genotype: Genotype, images: Images, settings: DeriveParams, seed: int, title: str, checkpoint: Checkpoint
) -> float:
    """Accuracy on the alpha half after a short training on the weight half, a fraction."""
    result = classify.train(genotype, images, settings.short, settings.short_cutout, seed, "short", title, checkpoint)
    return 1 - result.wrong[-1] / len(images.test)
