"""The loss of a network that classifies images, with or without an auxiliary head.

Shapes: B images, K classes.
"""

from torch import Tensor
from torch.nn import functional as F


def image_loss(
    outputs: tuple[Tensor, Tensor | None], targets: Tensor, auxiliary_weight: float, label_smoothing: float = 0.0
) -> tuple[Tensor, int, Tensor]:
    """The sum of the losses over a batch in float32, the number of images, and how many of them are right.

    Args:
        outputs: logits [B, K], and those of the auxiliary head [B, K] or None.
        targets: int64 [B].
        auxiliary_weight: of the auxiliary head's loss (choice D30).
        label_smoothing: choice D34.
    """
    logits, auxiliary = outputs
    total = _cross_entropy(logits, targets, label_smoothing)
    if auxiliary is not None:
        total = total + auxiliary_weight * _cross_entropy(auxiliary, targets, label_smoothing)
    return total, len(targets), (logits.argmax(1) == targets).sum()


def _cross_entropy(logits: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    return F.cross_entropy(logits.float(), targets, reduction="sum", label_smoothing=label_smoothing)
