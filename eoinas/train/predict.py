"""What a network says of images: the one evaluation loop."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eoinas import command
from eoinas.data import batches
from eoinas.data.images import Images


@torch.no_grad()
def predict(
    forward: Callable[[Tensor], Tensor],
    network: nn.Module,
    images: Images,
    batch_size: int,
    poll: Callable[[], None] = command.leave_if_asked,
) -> tuple[Tensor, float]:
    """Predictions int64 [T] and mean loss of ``forward``: [B, 3, H, W] -> logits [B, K], with ``network`` in evaluation mode.

    Args:
        poll: called after every batch, so that a signal need not wait for the last.
    """
    network.eval()
    predicted, losses = [], []
    data = images.data
    for inputs, targets in batches.plain(images.images, images.labels, images.scored, batch_size, data.mean, data.std):
        logits = forward(inputs)
        predicted.append(logits.argmax(1))
        losses.append(F.cross_entropy(logits, targets, reduction="sum"))
        poll()
    return torch.cat(predicted).cpu(), torch.stack(losses).sum().item() / len(images.scored)
