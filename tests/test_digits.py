import sys
from subprocess import run

import numpy as np
import pytest
from sklearn.datasets import load_digits

from eoinas import params
from eoinas.data import digits, prepare
from eoinas.errors import InputError


@pytest.fixture(scope="module")
def ten():
    return digits.digits10()


@pytest.fixture(scope="module")
def hundred():
    return digits.digits100(1500, 300)


def fingerprints(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_every_digit_is_used_once(ten):
    assert ten.train_images.shape == (1437, 3, 16, 16)
    assert ten.test_images.shape == (360, 3, 16, 16)
    assert ten.train_images.dtype == np.uint8
    labels = np.concatenate([ten.train_labels, ten.test_labels])
    assert np.array_equal(np.bincount(labels), np.bincount(load_digits().target))
    assert np.bincount(ten.test_labels).tolist() == [36] * 10
    assert ten.classes == tuple("0123456789")


def test_the_splits_are_disjoint_and_grey(ten, hundred):
    for each in (ten, hundred):
        assert not fingerprints(each.train_images) & fingerprints(each.test_images)
        assert (each.train_images == each.train_images[:, :1]).all()


def test_the_writing_is_the_original(ten):
    # Averages of 2 x 2 blocks give the scan back, up to the smoothing between neighbours.
    coarse = ten.test_images[:, 0].reshape(-1, 8, 2, 8, 2).mean((2, 4)).reshape(-1, 64)
    scans = load_digits().images.reshape(-1, 64)
    nearest = np.corrcoef(coarse, scans)[: len(coarse), len(coarse) :].argmax(1)
    assert (load_digits().target[nearest] == ten.test_labels).all()
    assert len(set(nearest)) == len(nearest)


def test_two_digit_numbers_are_balanced_and_mixed(hundred):
    assert hundred.train_images.shape == (1500, 3, 16, 16)
    assert np.bincount(hundred.train_labels).tolist() == [15] * 100
    assert np.bincount(hundred.test_labels).tolist() == [3] * 100
    assert set(hundred.train_labels[:750]) == set(range(100))
    assert hundred.classes[7] == "07"
    assert len(fingerprints(hundred.train_images)) == 1500


def test_no_test_digit_is_in_a_training_image_and_every_half_shows_its_number(hundred):
    narrow, labels, train, test = digits._digits(16, 8)
    for images, numbers, allowed in (
        (hundred.train_images, hundred.train_labels, train),
        (hundred.test_images, hundred.test_labels, test),
    ):
        known = {narrow[index].tobytes(): labels[index] for index in allowed}
        for half, expected in ((images[:, 0, :, :8], numbers // 10), (images[:, 0, :, 8:], numbers % 10)):
            assert [known[image.tobytes()] for image in half] == expected.tolist()
    assert not set(train) & set(test)
    assert not fingerprints(narrow[train]) & fingerprints(narrow[test])


def test_the_same_again(ten, hundred):
    for first, second in ((ten, digits.digits10()), (hundred, digits.digits100(1500, 300))):
        assert first.train_images.tobytes() == second.train_images.tobytes()
        assert first.test_images.tobytes() == second.test_images.tobytes()
        assert np.array_equal(first.train_labels, second.train_labels)
        assert (first.mean, first.std) == (second.mean, second.std)


SETTINGS = {
    "source": "digits",
    "raw": "data/raw",
    "check_md5": True,
    "download": False,
    "image_size": 32,
    "digits_train": 200,
    "digits_test": 100,
}


def settings(**changes) -> prepare.DataParams:
    return params.build(prepare.DataParams, [params.Layer("demo.cifar10", SETTINGS | changes)])


def test_prepare_takes_the_source_that_is_asked_for(ten, monkeypatch, tmp_path):
    assert prepare.prepare(settings(), "here").train_images.tobytes() == ten.train_images.tobytes()
    assert len(prepare.prepare(settings(source="digit_pairs"), "here").train_labels) == 200
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for raw in ("$HERE/mine", "~/mine"):
        with pytest.raises(InputError, match=f"^{tmp_path}/mine/train: no such folder"):
            prepare.prepare(settings(source="folder", raw=raw), "here")
        with pytest.raises(InputError, match=f"^{tmp_path}/mine/cifar-10-batches-py/data_batch_1: no such file"):
            prepare.prepare(settings(source="cifar10", raw=raw), "here")
        with pytest.raises(InputError, match=f"^{tmp_path}/mine/cifar-100-python/train: no such file"):
            prepare.prepare(settings(source="cifar100", raw=raw), "here")
    monkeypatch.delenv("HERE")
    with pytest.raises(InputError, match=r"^params.yaml: datasets.mine.raw: \$HERE/mine names an environment variable"):
        prepare.prepare(settings(source="folder", raw="$HERE/mine"), "datasets.mine")


def test_the_kind_is_what_reports_know():
    kinds = {source: settings(source=source).kind for source in prepare.KINDS}
    assert kinds["cifar10"] == kinds["cifar100"] == "cifar"
    assert kinds["digits"] == kinds["digit_pairs"] == "digits"
    assert kinds["folder"] == "folder"


@pytest.mark.parametrize("change", [{"source": "mnist"}, {"digits_train": 150}, {"image_size": 0}, {"raw": ""}, {"more": 1}])
def test_wrong_parameters_name_their_key(change):
    with pytest.raises(InputError, match=rf"demo\.cifar10\.{next(iter(change))}"):
        settings(**change)


def test_digits_need_neither_torch_nor_torchvision():
    code = (
        "import sys, stages.data\nfrom eoinas.data import digits, imageset\ndigits.digits10()\n"
        "sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    )
    assert run([sys.executable, "-c", code], check=False).returncode == 0
