"""The demo's data, embedded in scikit-learn: 1,797 handwritten digits, 8 x 8 pixels of 0..16."""

from pathlib import Path

import numpy as np

from eoinas.data import imageset

SIZE = 16
JPEG_SIDE = 120
SEED = 0
TEST_PER_CLASS = 36  # 360 of 1,797 digits, one in five
GREY = 16  # the largest value of a pixel


def digits10() -> imageset.ImageSet:
    """The single digits as 16 x 16 colour images: 1,437 for training, 360 for testing, 36 of each class."""
    digits, labels, train, test = _digits(SIZE, SIZE)
    classes = tuple("0123456789")
    return imageset.build((_colour(digits[train]), labels[train]), (_colour(digits[test]), labels[test]), classes, "digits")


def digits100(train_count: int, test_count: int) -> imageset.ImageSet:
    """The numbers 00 to 99 as 16 x 16 colour images, two digits side by side, each drawn out to 16 high and 8 wide.

    A training image is a pair of training digits of ``digits10``, a test image a pair of its test digits; no pair comes twice.

    Args:
        train_count: training images, a multiple of 100, every class equally often.
        test_count: the same for the test images.
    """
    digits, labels, train, test = _digits(SIZE, SIZE // 2)
    generator = np.random.default_rng(SEED + 1)
    splits = [_pairs(digits, labels, *split, generator) for split in ((train, train_count), (test, test_count))]
    return imageset.build(*splits, tuple(f"{number:02d}" for number in range(100)), "digits")


def write_jpegs(folder: Path, train_count: int, test_count: int) -> None:
    """Digits as photographs lie in ImageNet: ``folder/train/<class>/*.jpg`` and ``folder/val/<class>/*.jpg``.

    One in five is half as wide again as it is high, one in seven grey-scale.

    Args:
        train_count, test_count: images of each class.
    """
    from PIL import Image

    digits, labels, train, test = _digits(JPEG_SIDE, JPEG_SIDE)
    for split, allowed, count in (("train", train, train_count), ("val", test, test_count)):
        for digit in range(10):
            path = folder / split / str(digit)
            path.mkdir(parents=True)
            for number, index in enumerate(allowed[labels[allowed] == digit][:count]):
                image = Image.fromarray(digits[index])
                if number % 5 == 0:
                    image = image.resize((JPEG_SIDE * 3 // 2, JPEG_SIDE), Image.Resampling.BILINEAR)
                if number % 7:
                    image = image.convert("RGB")
                image.save(path / f"{number:03d}.jpg", quality=90)


def _digits(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All digits uint8 [N, height, width], their labels int64 [N], and the indices of the training and the test digits."""
    from PIL import Image
    from sklearn.datasets import load_digits

    source = load_digits()
    grey = np.round(source.images * (imageset.LEVELS / GREY)).astype(np.uint8)
    digits = np.stack([np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)) for image in grey])
    labels = source.target.astype(np.int64)
    generator = np.random.default_rng(SEED)
    test = np.sort(
        np.concatenate([generator.permutation(np.flatnonzero(labels == digit))[:TEST_PER_CLASS] for digit in range(10)])
    )
    return digits, labels, np.setdiff1d(np.arange(len(labels)), test), test


def _pairs(
    digits: np.ndarray, labels: np.ndarray, allowed: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` images uint8 [count, 3, 16, 16] in random order, and their numbers int64 [count], from the ``allowed`` digits."""
    pools = [allowed[labels[allowed] == digit] for digit in range(10)]
    lefts, rights = [], []
    for number in range(100):
        left, right = pools[number // 10], pools[number % 10]
        chosen = generator.choice(len(left) * len(right), size=count // 100, replace=False)
        lefts.append(left[chosen // len(right)])
        rights.append(right[chosen % len(right)])
    images = np.concatenate([digits[np.concatenate(lefts)], digits[np.concatenate(rights)]], axis=2)
    numbers = np.repeat(np.arange(100, dtype=np.int64), count // 100)
    mixed = generator.permutation(len(numbers))  # else the halves in file order (choice D23) would share no class
    return _colour(images[mixed]), numbers[mixed]


def _colour(grey: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W] to [N, 3, H, W] with three equal channels."""
    return np.repeat(grey[:, None], 3, axis=1)
