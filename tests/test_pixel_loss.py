import math

import pytest
import torch
from torch.nn import functional as F

from eoinas.data.cityscapes_labels import IGNORE
from eoinas.train import pixel_loss, search_seg


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 5, 6, 7, generator=generator)
    targets = torch.randint(5, (2, 6, 7), generator=generator).byte()
    targets[torch.rand(2, 6, 7, generator=generator) < 0.3] = IGNORE
    return logits.requires_grad_(), targets


def test_cross_entropy_is_that_of_the_two_dimensional_loss() -> None:
    logits, targets = batch()
    total, count, correct = pixel_loss.cross_entropy(logits, targets)
    assert count == (targets != IGNORE).sum()
    expected = F.cross_entropy(logits, targets.long(), ignore_index=IGNORE)
    assert (total / count).item() == pytest.approx(expected.item(), rel=1e-6)
    assert correct == ((logits.argmax(1) == targets) & (targets != IGNORE)).sum()
    ours, theirs = (torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (total / count, expected))
    assert torch.allclose(ours, theirs, atol=1e-8)
    assert (ours.permute(0, 2, 3, 1)[targets == IGNORE] == 0).all()


def test_loss_and_score_of_the_search() -> None:
    logits, targets = batch()
    assert search_seg.loss_and_accuracy(logits, targets)[0].item() == pytest.approx(
        F.cross_entropy(logits, targets.long(), ignore_index=IGNORE).item(), rel=1e-6
    )
    right = (logits.argmax(1) == targets)[targets != IGNORE]
    assert search_seg.loss_and_accuracy(logits, targets)[1].item() == pytest.approx(right.float().mean().item())


def test_a_batch_without_a_pixel_that_counts_gives_zero_and_no_gradient() -> None:
    logits, targets = batch()
    targets[:] = IGNORE
    loss = search_seg.loss_and_accuracy(logits, targets)[0]
    assert (loss.item(), search_seg.loss_and_accuracy(logits, targets)[1].item()) == (0, 0)
    loss.backward()
    assert (logits.grad == 0).all()


def hard_by_hand(logits: torch.Tensor, targets: torch.Tensor, threshold: float, least: int) -> tuple[float, int, int]:
    rows = []
    probabilities = logits.detach().double().softmax(1)
    for b in range(2):
        for y in range(6):
            for x in range(7):
                if targets[b, y, x] != IGNORE:
                    p = probabilities[b, targets[b, y, x].long(), y, x].item()
                    rows.append((p, bool(logits[b, :, y, x].argmax() == targets[b, y, x])))
    rows.sort()
    kept = [row for index, row in enumerate(rows) if row[0] <= threshold or index < least]
    return sum(-math.log(p) for p, _ in kept), len(kept), sum(right for _, right in kept)


@pytest.mark.parametrize(("threshold", "least"), [(0.7, 1), (0.05, 1), (0.01, 20), (1.0, 1), (0.7, 10**6)])
def test_hard_pixels_are_those_of_a_slow_count(threshold: float, least: int) -> None:
    logits, targets = batch()
    found = pixel_loss.hard_cross_entropy(logits, targets, threshold, least)
    expected = hard_by_hand(logits, targets, threshold, least)
    assert found[0].item() == pytest.approx(expected[0], rel=1e-5)
    assert (found[1].item(), found[2].item()) == expected[1:]
    assert 0 < found[1] <= (targets != IGNORE).sum()


@pytest.mark.parametrize("kind", ["none count", "none at all"])
def test_hard_pixels_of_nothing(kind: str) -> None:
    logits, targets = batch()
    targets[:] = IGNORE
    if kind == "none at all":  # a rank without a row
        logits, targets = logits[:0], targets[:0]
    total, count, correct = pixel_loss.hard_cross_entropy(logits, targets, 0.7, 5)
    assert (total.item(), count.item(), correct.item()) == (0, 0, 0)
    total.backward()
