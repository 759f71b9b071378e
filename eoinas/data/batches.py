"""Batches of an image set that lies whole on the device; everything random is a function of (seed, epoch)."""

from collections.abc import Iterator

from torch import Tensor

from eoinas import seeds
from eoinas.data import augment


class TrainBatches:
    """Shuffled, cropped and flipped batches of the images in ``index``.

    Attributes:
        steps: batches an epoch.
        fewest: images of the smallest batch.

    Args:
        images: uint8 [N, 3, H, W] on the device. labels: int64 [N] on the device.
        index: int64 [n], on the CPU, the images to use.
        batch_size: images a batch; the last batch of an epoch may be smaller, or one larger.
        epoch_images: images an epoch, drawn without replacement; 0 for all.
        padding, cutout: in pixels of a 32-pixel image (choices D22, D29).
        mean, std: of the channels, in [0, 1].
        seed, purpose: what the draws depend on, beside the epoch.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        index: Tensor,
        batch_size: int,
        epoch_images: int,
        padding: int,
        cutout: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        seed: int,
        purpose: str,
    ):
        self._images, self._labels, self._index = images, labels, index
        self._count = min(epoch_images or len(index), len(index))
        self._batch, self.steps = batch_size, -(-self._count // batch_size)
        if self._count > 1 and self._count % batch_size == 1:  # batch normalisation needs two images: the last batch has one more
            self.steps -= 1
        self.fewest = min(batch_size, self._count - (self.steps - 1) * batch_size)
        self._size = images.shape[-1]
        self._padding, self._cutout = augment.scaled(padding, self._size), augment.scaled(cutout, self._size)
        self._mean, self._std, self._seed, self._purpose = mean, std, seed, purpose
        self._epoch = 0

    def get(self, epoch: int, step: int) -> tuple[Tensor, Tensor]:
        """Images float32 [B, 3, H, W] and labels int64 [B] of a step (from 0) of an epoch, on the device."""
        if epoch != self._epoch:
            self._start(epoch)
        last = step == self.steps - 1
        rows = slice(step * self._batch, self._count if last else (step + 1) * self._batch)
        chosen = self._order[rows]
        draws = self._draws.batch(rows.start, rows.stop)
        images = augment.augment(self._images.index_select(0, chosen), draws, self._padding, self._cutout, self._mean, self._std)
        return images, self._labels[chosen]

    def _start(self, epoch: int) -> None:
        device = self._images.device
        order = augment.order(len(self._index), seeds.generator(self._seed, self._purpose, "order", epoch))[: self._count]
        self._order = self._index[order].to(device)
        generator = seeds.generator(self._seed, self._purpose, "augment", epoch)
        self._draws = augment.draw(self._count, self._size, self._padding, generator).to(device)
        self._epoch = epoch


def plain(
    images: Tensor, labels: Tensor, index: Tensor, batch_size: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> Iterator[tuple[Tensor, Tensor]]:
    """The images in ``index`` in order, normalised and not augmented: float32 [B, 3, H, W] and labels [B]."""
    for chosen in index.to(images.device).split(batch_size):
        yield augment.normalise(images[chosen], mean, std), labels[chosen]
