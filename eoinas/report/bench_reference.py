"""Published results on NAS-Bench-201: searched on CIFAR-10, looked up after 200 epochs, as the benchmark's paper does it.

Nothing in this file was measured by this project. Numbers are strings, as the source prints them; NONE stands where it has none.
"""

from typing import NamedTuple

from eoinas.report.reference import NONE


class Published(NamedTuple):
    """A row: test accuracy on CIFAR-10 in percent, seconds of the search, and where both were read."""

    method: str
    accuracy: str
    seconds: str
    source: str


_RELIZO = "ReLIZO, NeurIPS 2024, Table 2, quoting Dong and Yang 2020"
_GENIUS = "GENIUS (Zheng et al. 2023), Table 1"
_PT = "DARTS-PT, ICLR 2021, Table 4"
_RMI = "README of RMI-NAS"
PUBLISHED = (
    Published("DARTS, first and second order", "54.30 ± 0.00", NONE, _RELIZO),
    Published("ENAS", "53.89 ± 0.58", NONE, _RELIZO),
    Published("RSPS, random search with shared weights", "84.07 ± 3.61", "8,007", _RELIZO),
    Published("SETN", "87.64 ± 0.00", NONE, _RELIZO),
    Published("DARTS-PT", "88.11", NONE, _PT),
    Published("DARTS-PT, alpha fixed at 0", "93.80", NONE, _PT),
    Published("SNAS", "92.77 ± 0.83", NONE, _GENIUS),
    Published("DSNAS", "93.08 ± 0.13", NONE, _GENIUS),
    Published("FairNAS", "93.23 ± 0.18", "9,845", _RMI),
    Published("PC-DARTS", "93.41 ± 0.30", NONE, _GENIUS),
    Published("iDARTS", "93.58 ± 0.32", NONE, _GENIUS),
    Published("GDAS", "93.61 ± 0.09", "31,610", f"{_RELIZO}; seconds: {_RMI}"),
    Published("RMI-NAS", "94.28 ± 0.10", "1,258", _RMI),
    Published("DrNAS, beta-DARTS, Lambda-DARTS", "94.36 ± 0.00", NONE, _GENIUS),
)
