"""Small tensors are fastest on one thread, and then their sums do not depend on the number of cores."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """For each file of tests, also where OMP_NUM_THREADS says otherwise."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
