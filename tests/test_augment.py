import numpy as np
import pytest
import torch
from scipy import stats

from eoinas.data import augment

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
SIGNIFICANT = 1e-3  # all seeds are fixed, so a test that passes once passes always


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, size: int = 32) -> torch.Tensor:
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8, generator=seeded(99))


def uniform(values: torch.Tensor, kinds: int) -> bool:
    counts = np.bincount(values.numpy(), minlength=kinds)
    return len(counts) == kinds and stats.chisquare(counts).pvalue > SIGNIFICANT


def test_scaled():
    assert [augment.scaled(pixels, size) for pixels, size in ((4, 32), (16, 32), (4, 16), (16, 16), (16, 64), (0, 16))] == [
        4,
        16,
        2,
        8,
        32,
        0,
    ]


def test_draws_are_uniform_and_include_both_ends():
    draws = augment.draw(20_000, 32, 4, seeded(0))
    assert uniform(draws.offset_y, 9)
    assert uniform(draws.offset_x, 9)
    assert uniform(draws.flip.long(), 2)
    assert uniform(draws.cut_y, 32)
    assert uniform(draws.cut_x, 32)
    joint = (draws.offset_y * 9 + draws.offset_x) * 2 + draws.flip
    assert uniform(joint, 162)  # independent of each other
    assert uniform(draws.cut_y * 32 + draws.cut_x, 1024)


def test_offsets_are_distributed_like_torchvision_s_random_crop():
    from torchvision.transforms import RandomCrop

    torch.manual_seed(0)
    image = torch.zeros(3, 40, 40)  # RandomCrop(32, padding=4) draws its corner on the padded image
    theirs = np.array([RandomCrop.get_params(image, (32, 32))[:2] for _ in range(4_000)])
    ours = augment.draw(4_000, 32, 4, seeded(1))
    for axis, offsets in enumerate((ours.offset_y, ours.offset_x)):
        table = np.stack([np.bincount(theirs[:, axis], minlength=9), np.bincount(offsets.numpy(), minlength=9)])
        assert table.shape == (2, 9)
        assert stats.chi2_contingency(table).pvalue > SIGNIFICANT


@pytest.mark.parametrize(("size", "padding", "cutout"), [(32, 4, 16), (32, 4, 0), (16, 2, 8), (32, 0, 7)])
def test_equals_torchvision_image_by_image(size, padding, cutout):
    from torchvision.transforms import functional

    images = pictures(256, size)
    draws = augment.draw(256, size, padding, seeded(2))
    found = augment.augment(images, draws, padding, cutout, MEAN, STD)
    assert found.dtype == torch.float32
    for index, image in enumerate(images):
        top, left, flip, cut_y, cut_x = (int(part[index]) for part in draws)
        expected = functional.crop(functional.pad(image, [padding] * 4), top, left, size, size)
        expected = functional.hflip(expected) if flip else expected
        expected = functional.normalize(functional.convert_image_dtype(expected, torch.float32), MEAN, STD)
        if cutout:
            rows, columns = (slice(max(0, c - cutout // 2), max(0, c - cutout // 2 + cutout)) for c in (cut_y, cut_x))
            expected[:, rows, columns] = 0
        assert torch.equal(found[index], expected)


def test_every_crop_and_flip_occurs():
    image = pictures(1).expand(162, -1, -1, -1)
    places = torch.arange(162)
    zero = torch.zeros(162, dtype=torch.int64)
    draws = augment.Draws(places // 18, places // 2 % 9, places % 2 == 1, zero, zero)
    found = augment.augment(image, draws, 4, 0, MEAN, STD)
    assert len({each.numpy().tobytes() for each in found}) == 162
    assert torch.equal(found[(4 * 9 + 4) * 2], augment.normalise(image[:1], MEAN, STD)[0])


def test_area_of_cutout_is_that_of_a_plain_cutout():
    # With the centre uniform over 32 pixels, a side of 16 covers 8 + c pixels at c = 0..7, 16 up to c = 24, then 40 - c.
    side = np.array([min(32, c + 8) - max(0, c - 8) for c in range(32)])
    areas, expected = np.unique(np.outer(side, side), return_counts=True)
    count = 10_000
    draws = augment.draw(count, 32, 4, seeded(3))
    found = np.empty(count, dtype=np.int64)
    for start in range(0, count, 1000):
        batch = draws.batch(start, start + 1000)
        ones = torch.ones(1000, 1, 32, 32, dtype=torch.uint8)
        zero = torch.zeros(1000, dtype=torch.int64)
        still = batch._replace(offset_y=zero, offset_x=zero)
        # mean 0 and std 1/255: uncovered pixels are near one, covered ones exactly zero
        found[start : start + 1000] = (augment.augment(ones, still, 0, 16, (0.0,), (1 / 255,)) == 0).sum((1, 2, 3))
    assert set(np.unique(found)) <= set(areas)
    observed = np.array([(found == area).sum() for area in areas])
    frequent = expected * count / 1024 >= 5  # chi-square needs five of a kind
    observed = np.append(observed[frequent], observed[~frequent].sum())
    predicted = np.append(expected[frequent], expected[~frequent].sum()) * count / 1024
    keep = predicted > 0
    assert stats.chisquare(observed[keep], predicted[keep]).pvalue > SIGNIFICANT
    assert found.mean() == pytest.approx(side.mean() ** 2, rel=0.01)


def test_same_bytes_on_every_run_and_inputs_untouched():
    images, threads = pictures(96), torch.get_num_threads()
    before = images.clone()
    results = []
    try:
        for count in (1, 2, 2):
            torch.set_num_threads(count)
            draws = augment.draw(96, 32, 4, seeded(4)).to("cpu")
            results.append(augment.augment(images, draws, 4, 16, MEAN, STD).numpy().tobytes())
    finally:
        torch.set_num_threads(threads)
    assert len(set(results)) == 1
    assert torch.equal(images, before)


def test_a_batch_is_the_same_alone_or_in_the_epoch():
    images, draws = pictures(100), augment.draw(100, 32, 4, seeded(5))
    whole = augment.augment(images, draws, 4, 16, MEAN, STD)
    part = augment.augment(images[60:], draws.batch(60, 100), 4, 16, MEAN, STD)
    assert torch.equal(whole[60:], part)


@pytest.mark.parametrize("seed", range(3))
def test_balanced_halves(seed):
    labels = torch.randint(7, (1001,), generator=seeded(50 + seed))
    first, second = augment.halves(labels, "balanced", seeded(seed))
    assert torch.equal(torch.cat([first, second]).sort().values, torch.arange(1001))
    assert abs(len(first) - len(second)) == 1
    counts = [torch.bincount(labels[half], minlength=7) for half in (first, second)]
    assert (counts[0] - counts[1]).abs().max() <= 1
    assert torch.equal(first, first.sort().values)
    again, _ = augment.halves(labels, "balanced", seeded(seed))
    other, _ = augment.halves(labels, "balanced", seeded(seed + 10))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_image_is_as_likely_in_either_half():
    labels = torch.arange(10) % 3
    counts = torch.zeros(10)
    for seed in range(1000):
        counts[augment.halves(labels, "balanced", seeded(seed))[0]] += 1
    # 4 of class 0 make two and two; of class 1 the first half has one or two of three.
    assert counts[labels == 0].sum() == 2000
    assert stats.chisquare(counts[labels == 0]).pvalue > SIGNIFICANT
    assert stats.chisquare(counts[labels == 1]).pvalue > SIGNIFICANT


@pytest.mark.parametrize(("count", "middle"), [(10, 5), (11, 6)])
def test_halves_in_file_order(count, middle):
    first, second = augment.halves(torch.zeros(count, dtype=torch.int64), "file_order", seeded(0))
    assert first.tolist() == list(range(middle))
    assert second.tolist() == list(range(middle, count))


def test_order_is_a_seeded_permutation():
    assert torch.equal(augment.order(50, seeded(1)), augment.order(50, seeded(1)))
    assert augment.order(50, seeded(1)).sort().values.tolist() == list(range(50))
    firsts = torch.tensor([augment.order(10, seeded(seed))[0] for seed in range(2000)])
    assert uniform(firsts, 10)
