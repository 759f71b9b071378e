import hashlib
import os
import pickle
import tarfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest

from eoinas.data import cifar
from eoinas.errors import InputError

FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}


def write(path, content) -> None:
    """A pickle as numpy 1 wrote it: protocol 3 spells the modules' names out, so they can be exchanged."""
    path.write_bytes(pickle.dumps(content, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


def batch(name: str, count: int, seed: int) -> dict:
    generator = np.random.default_rng(seed)
    return {
        "batch_label": "a batch",
        "data": generator.integers(256, size=(count, 3072), dtype=np.uint8),
        cifar.LABELS[name]: [int(label) for label in generator.integers(cifar.CLASSES[name], size=count)],
    }


@pytest.fixture(params=["cifar10", "cifar100"])
def raw(request, tmp_path):
    """A raw folder with a small data set in CIFAR's layout, and the data set's name."""
    base = tmp_path / FOLDERS[request.param]
    base.mkdir()
    if request.param == "cifar10":
        for index in range(1, 6):
            write(base / f"data_batch_{index}", batch("cifar10", 4, index))
        write(base / "test_batch", batch("cifar10", 3, 9))
        write(base / "batches.meta", {"label_names": [f"class {i}" for i in range(10)]})
    else:
        write(base / "train", batch("cifar100", 20, 1))
        write(base / "test", batch("cifar100", 3, 9))
        write(base / "meta", {"fine_label_names": [f"class {i}" for i in range(100)]})
    return tmp_path, request.param


def train_file(raw):
    folder, name = raw
    return folder / FOLDERS[name] / ("data_batch_2" if name == "cifar10" else "train")


def test_reads_every_file_in_order(raw):
    folder, name = raw
    found = cifar.read(folder, name, check_md5=False)
    batches = [batch(name, 4, index) for index in range(1, 6)] if name == "cifar10" else [batch(name, 20, 1)]
    assert found.train_images.shape == (20, 3, 32, 32)
    assert found.train_images.dtype == np.uint8
    assert np.array_equal(found.train_images.reshape(20, 3072), np.concatenate([each["data"] for each in batches]))
    assert found.train_labels.tolist() == [label for each in batches for label in each[cifar.LABELS[name]]]
    assert found.test_labels.tolist() == batch(name, 3, 9)[cifar.LABELS[name]]
    assert found.train_labels.dtype == np.int64
    assert found.classes[:2] == ("class 0", "class 1")


def test_python_2_strings_are_read_as_bytes_of_an_array(raw):
    # Python 2 kept an array's bytes in a string, which latin1 brings through unchanged.
    content = batch(raw[1], 2, 5)
    data = content["data"].tobytes()
    text = pickle.dumps(content, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    as_bytes = pickle.BINBYTES + len(data).to_bytes(4, "little") + data
    assert as_bytes in text
    train_file(raw).write_bytes(text.replace(as_bytes, pickle.BINSTRING + len(data).to_bytes(4, "little") + data))
    found = cifar.read(*raw, check_md5=False)
    assert data in found.train_images.tobytes()


def test_only_official_files_pass_the_md5(raw):
    with pytest.raises(InputError, match=r"not the official file \(md5 .*check_md5") as caught:
        cifar.read(*raw, check_md5=True)
    assert FOLDERS[raw[1]] in str(caught.value)


def official(monkeypatch, raw, **changes) -> SimpleNamespace:
    """Make the files in ``raw`` the official ones."""
    real = cifar._official(raw[1])
    base = raw[0] / FOLDERS[raw[1]]

    def md5(filename):
        return hashlib.md5((base / filename).read_bytes()).hexdigest()

    mine = SimpleNamespace(
        base_folder=real.base_folder,
        url=real.url,
        filename=real.filename,
        train_list=[[filename, md5(filename)] for filename, _ in real.train_list],
        test_list=[[filename, md5(filename)] for filename, _ in real.test_list],
        meta={**real.meta, "md5": md5(real.meta["filename"])},
    )
    vars(mine).update(changes)
    monkeypatch.setattr(cifar, "_official", lambda name: mine)
    return mine


def test_one_altered_byte_is_noticed_before_anything_is_unpickled(raw, monkeypatch):
    official(monkeypatch, raw)
    cifar.read(*raw, check_md5=True)
    last = raw[0] / FOLDERS[raw[1]] / ("batches.meta" if raw[1] == "cifar10" else "meta")
    altered = bytearray(last.read_bytes())
    altered[-10] ^= 1
    last.write_bytes(altered)
    monkeypatch.setattr(cifar, "_unpickle", lambda *_: pytest.fail("unpickled"))
    with pytest.raises(InputError, match="not the official file") as caught:
        cifar.read(*raw, check_md5=True)
    assert str(last) in str(caught.value)


class Malice:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_does_not_run(raw, tmp_path, protocol):
    mark = tmp_path / "executed"
    for function, argument in ((os.mkdir, str(mark)), (eval, f"__import__('os').mkdir({str(mark)!r})"), (np.load, str(mark))):
        train_file(raw).write_bytes(pickle.dumps({"data": Malice(function, argument)}, protocol=protocol))
        with pytest.raises(InputError, match="which no CIFAR file needs") as caught:
            cifar.read(*raw, check_md5=False)
        assert str(train_file(raw)) in str(caught.value)
        assert not mark.exists()


def test_missing_file(raw):
    train_file(raw).unlink()
    with pytest.raises(InputError, match="no such file; put the files of https://") as caught:
        cifar.read(*raw, check_md5=False)
    assert str(train_file(raw)) in str(caught.value)


@pytest.mark.parametrize("keep", [0, 1, 50, 3000])
def test_truncated_file(raw, keep):
    train_file(raw).write_bytes(train_file(raw).read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged or no CIFAR file") as caught:
        cifar.read(*raw, check_md5=False)
    assert str(train_file(raw)) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": None}, "'data' must be"),
        ({"data": np.zeros((4, 3071), np.uint8)}, "'data' must be"),
        ({"data": np.zeros((4, 3072), np.int64)}, "'data' must be"),
        ({"data": np.zeros((0, 3072), np.uint8)}, "'data' must be"),
        ({"labels": [1, 2, 3]}, "must be a list of 4"),
        ({"labels": (1, 2, 3, 0)}, "must be a list of 4"),
        ({"labels": [1, 2, 100, 0]}, r"\[2\] is 100, not a class"),
        ({"labels": [1, 2, -1, 0]}, r"\[2\] is -1, not a class"),
        ({"labels": [1, 2, "3", 0]}, r"\[2\] is '3', not a class"),
        ({"labels": [1, True, 3, 0]}, r"\[1\] is True, not a class"),
    ],
)
def test_wrong_content(raw, change, message):
    content = {key.replace("labels", cifar.LABELS[raw[1]]): value for key, value in change.items()}
    write(train_file(raw), batch(raw[1], 4, 2) | content)
    with pytest.raises(InputError, match=message) as caught:
        cifar.read(*raw, check_md5=False)
    assert str(train_file(raw)) in str(caught.value)


def test_a_pickle_of_something_else(raw):
    write(train_file(raw), [1, 2])
    with pytest.raises(InputError, match="holds a list"):
        cifar.read(*raw, check_md5=False)


def test_class_names_are_checked(raw):
    meta = raw[0] / FOLDERS[raw[1]] / ("batches.meta" if raw[1] == "cifar10" else "meta")
    write(meta, {"label_names": ["a"], "fine_label_names": ["a"]})
    with pytest.raises(InputError, match=r"must be a list of \d+ names"):
        cifar.read(*raw, check_md5=False)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, and the address under which a local web server offers its files."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_download_unpacks_a_checked_archive_and_leaves_a_full_folder_alone(raw, monkeypatch, tmp_path, served):
    folder, name = raw
    archive = served[0] / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / FOLDERS[name], FOLDERS[name])
    digest = hashlib.md5(archive.read_bytes()).hexdigest()
    official(monkeypatch, raw, url=f"{served[1]}/{archive.name}", tgz_md5=digest)
    elsewhere = tmp_path / "fresh" / "raw"
    cifar.download(elsewhere, name)
    assert len(cifar.read(elsewhere, name, check_md5=True).train_labels) == 20
    assert {path.name for path in elsewhere.iterdir()} == {FOLDERS[name]}
    listed = sorted(path.name for path in (folder / FOLDERS[name]).iterdir())
    assert sorted(path.name for path in (elsewhere / FOLDERS[name]).iterdir()) == listed

    archive.unlink()
    cifar.download(elsewhere, name)  # nothing to do


@pytest.mark.parametrize(("content", "reason"), [(None, "404"), (b"not what was promised", "corrupted")])
def test_failed_download_says_where_to_put_the_files(raw, monkeypatch, tmp_path, served, content, reason):
    if content:
        (served[0] / "archive.tar.gz").write_bytes(content)
    official(monkeypatch, raw, url=f"{served[1]}/archive.tar.gz", tgz_md5="0" * 32)
    base = tmp_path / "fresh" / FOLDERS[raw[1]]
    with pytest.raises(InputError, match=rf"download failed \(.*{reason}") as caught:
        cifar.download(tmp_path / "fresh", raw[1])
    assert f"unpack it by hand into {base}" in str(caught.value)
    assert list((tmp_path / "fresh").iterdir()) == []


def test_no_server_is_an_input_error_too(raw, monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    official(monkeypatch, raw, url="http://127.0.0.1:9/archive.tar.gz", tgz_md5="0" * 32)
    with pytest.raises(InputError, match=r"^http://127.0.0.1:9/archive.tar.gz: download failed"):
        cifar.download(tmp_path / "fresh", raw[1])
