"""Numbers quoted from the EoiNAS paper (Tables I to V) and the facts a reader needs beside them.

Nothing in this file was measured by this project, and nothing that trains, searches or evaluates imports it. Numbers are strings,
digit for digit as the paper prints them ("2.50", not 2.5); NONE stands where it prints a dash. A bracketed number belongs to the
paper's list of references.
"""

from dataclasses import dataclass
from typing import NamedTuple

NONE = "–"


@dataclass(frozen=True)
class Cifar:
    """A row of Table I: GPUs and days of the search, parameters in million, test errors in percent."""

    kind: str
    architecture: str
    gpus: str
    days: str
    params: str
    c10: str
    c100: str
    method: str


@dataclass(frozen=True)
class ImageNet:
    """A row of Table II: parameters and multiply-adds in million, top-1 and top-5 errors in percent."""

    kind: str
    architecture: str
    gpus: str
    days: str
    params: str
    madds: str
    top1: str
    top5: str
    method: str


@dataclass(frozen=True)
class Ablation:
    """A row of Table III: which of the two parts is on, days of the search, parameters in million, CIFAR-10 error in percent."""

    architecture: str
    sss: bool
    oii: bool
    days: str
    params: str
    error: str


class SearchNetwork(NamedTuple):
    """A row of Table IV: a layer of the segmentation search's network, its stride, the feature map that leaves it."""

    architecture: str
    stride: str
    feature_map: str
    output_stride: str


@dataclass(frozen=True)
class Cityscapes:
    """A row of Table V: IoU of the 19 classes in percent, in the order of CITYSCAPES_CLASSES, and their mean as printed."""

    method: str
    iou: tuple[str, ...]
    miou: str


TABLE_1 = (
    Cifar("Human expert", "ResNet + CutOut [22]", "–", "–", "1.7", "4.61", "22.10", "manual"),
    Cifar("Human expert", "DenseNet [23]", "–", "–", "25.6", "3.46", "17.18", "manual"),
    Cifar("Human expert", "SENet [42]", "–", "–", "11.2", "4.05", "–", "manual"),
    Cifar("NAS", "MetaQNN [43]", "10", "8-10", "11.2", "6.92", "27.14", "RL"),
    Cifar("NAS", "NAS [1]", "800", "21-28", "7.1", "4.47", "–", "RL"),
    Cifar("NAS", "NAS + more filters [1]", "800", "21-28", "37.4", "3.65", "–", "RL"),
    Cifar("NAS", "NASNet-A [2]", "450", "3-4", "3.3", "3.41", "–", "RL"),
    Cifar("NAS", "NASNet-A + CutOut [2]", "450", "3-4", "3.3", "2.65", "–", "RL"),
    Cifar("NAS", "ENAS [18]", "1", "0.45", "4.6", "3.54", "19.43", "RL"),
    Cifar("NAS", "ENAS + CutOut [18]", "1", "0.45", "4.6", "2.89", "–", "RL"),
    Cifar("NAS", "Net Transformation [3]", "5", "2.0", "19.7", "5.70", "–", "RL"),
    Cifar("NAS", "SMASH [44]", "1", "1.5", "16.0", "4.03", "–", "RL"),
    Cifar("NAS", "AmoebaNet-A + CutOut [7]", "450", "7.0", "3.2", "3.34", "18.93", "evolution"),
    Cifar("NAS", "AmoebaNet-B + CutOut [7]", "450", "7.0", "2.8", "2.55", "–", "evolution"),
    Cifar("NAS", "Hierarchical NAS [16]", "200", "1.5", "61.3", "3.63", "–", "evolution"),
    Cifar("NAS", "CARS + CutOut [45]", "1", "0.4", "3.0", "2.86", "–", "evolution"),
    Cifar("NAS", "NSGANet [46]", "1", "8.0", "3.3", "3.85", "–", "evolution"),
    Cifar("NAS", "Progressive NAS [5]", "100", "1.5", "3.2", "3.63", "19.53", "SMBO"),
    Cifar("NAS", "DARTS (1st) + CutOut [6]", "1", "0.38", "3.3", "3.00", "17.76", "gradient-based"),
    Cifar("NAS", "DARTS (2nd) + CutOut [6]", "1", "1.0", "3.4", "2.82", "17.54", "gradient-based"),
    Cifar("NAS", "BayesNAS + cutout [47]", "1", "0.2", "3.4", "2.81", "–", "gradient-based"),
    Cifar("NAS", "SNAS + CutOut [19]", "1", "1.5", "2.9", "2.98", "–", "gradient-based"),
    Cifar("NAS", "GDAS [20]", "1", "1.0", "3.4", "3.87", "19.68", "gradient-based"),
    Cifar("NAS", "GDAS + CutOut [20]", "1", "1.0", "3.4", "2.93", "18.38", "gradient-based"),
    Cifar("NAS", "GDAS(FRC) + CutOut [20]", "1", "0.8", "2.5", "2.82", "18.13", "gradient-based"),
    Cifar("NAS", "GHN + CutOut [48]", "1", "0.84", "5.7", "2.84", "–", "gradient-based"),
    Cifar("NAS", "DATA + cutout [49]", "1", "1.0", "3.4", "2.59", "–", "gradient-based"),
    Cifar("NAS", "NAONet [8]", "200", "1.0", "10.6", "3.18", "–", "NAO"),
    Cifar("NAS", "MdeNAS + CutOut [21]", "1", "0.16", "3.61", "2.55", "–", "MDL"),
    Cifar("NAS", "Random Search + CutOut [6]", "1", "4.0", "3.2", "3.29", "–", "random"),
    Cifar("NAS", "EoiNAS", "1", "0.6", "3.4", "3.42", "18.4", "gradient-based"),
    Cifar("NAS", "EoiNAS + CutOut", "1", "0.6", "3.4", "2.50", "17.3", "gradient-based"),
)
TABLE_2 = (
    ImageNet("Human expert", "Inception-v1 [27]", "–", "–", "6.6", "1448", "30.2", "10.1", "manual"),
    ImageNet("Human expert", "MobileNet-V1 [52]", "–", "–", "4.2", "569", "29.4", "10.5", "manual"),
    ImageNet("Human expert", "MobileNet-V2 [53]", "–", "–", "3.4", "300", "28.0", "9.0", "manual"),
    ImageNet("Human expert", "ShuffleNet-V1 [54]", "–", "–", "5.0", "524", "29.1", "9.2", "manual"),
    ImageNet("Human expert", "ShuffleNet-V2 [30]", "–", "–", "5.0", "524", "26.3", "–", "manual"),
    ImageNet("Human expert", "CondenseNet [29]", "–", "–", "4.8", "529", "26.2", "–", "manual"),
    ImageNet("NAS", "NASNet-A [2]", "450", "3-4", "5.3", "564", "26.0", "8.4", "RL"),
    ImageNet("NAS", "NASNet-B [2]", "450", "3-4", "5.3", "488", "27.2", "8.7", "RL"),
    ImageNet("NAS", "NASNet-C [2]", "450", "3-4", "4.9", "558", "27.5", "9.0", "RL"),
    ImageNet("NAS", "AmoebaNet-A [7]", "450", "7.0", "5.1", "555", "25.5", "8.0", "evolution"),
    ImageNet("NAS", "AmoebaNet-B [7]", "450", "7.0", "5.3", "555", "26.0", "8.5", "evolution"),
    ImageNet("NAS", "AmoebaNet-C [7]", "450", "7.0", "6.4", "570", "24.3", "7.6", "evolution"),
    ImageNet("NAS", "CARS [45]", "1", "0.4", "4.4", "510", "26.3", "8.4", "evolution"),
    ImageNet("NAS", "Progressive NAS [5]", "100", "1.5", "5.1", "588", "25.8", "8.1", "SMBO"),
    ImageNet("NAS", "MdeNAS [21]", "1", "0.16", "6.1", "596", "25.5", "7.9", "MDL"),
    ImageNet("NAS", "GHN [48]", "1", "0.84", "6.1", "569", "27.0", "8.7", "gradient-based"),
    ImageNet("NAS", "DARTS (2nd) [6]", "1", "1.0", "4.9", "595", "26.9", "9.0", "gradient-based"),
    ImageNet("NAS", "PARSEC [36]", "1", "1.0", "5.6", "548", "26.0", "8.4", "gradient-based"),
    ImageNet("NAS", "BayesNAS [47]", "1", "0.2", "3.9", "–", "26.5", "8.9", "gradient-based"),
    ImageNet("NAS", "SNAS [19]", "1", "1.5", "4.3", "522", "27.3", "9.2", "gradient-based"),
    ImageNet("NAS", "GDAS [20]", "1", "1.0", "5.3", "581", "26.0", "8.5", "gradient-based"),
    ImageNet("NAS", "GDAS(FRC) [20]", "1", "0.8", "4.4", "497", "27.5", "9.1", "gradient-based"),
    ImageNet("NAS", "SETN [55]", "1", "1.8", "5.2", "597", "26.7", "8.6", "gradient-based"),
    ImageNet("NAS", "EoiNAS", "1", "0.6", "5.0", "570", "25.6", "8.3", "gradient-based"),
)

TABLE_3 = (
    Ablation("EoiNAS without SSS and OII", False, False, "1.0", "3.4", "2.93"),
    Ablation("EoiNAS without OII", True, False, "0.6", "3.4", "2.72"),
    Ablation("EoiNAS", True, True, "0.6", "3.4", "2.50"),
)

TABLE_4 = (
    SearchNetwork("Conv2d, 3×3", "2", "160×160", "2"),
    SearchNetwork("Conv2d, 3×3", "1", "160×160", "2"),
    SearchNetwork("Conv2d, 3×3", "2", "80×80", "4"),
    SearchNetwork("Normal cell×3", "1", "80×80", "4"),
    SearchNetwork("Reduction cell×1", "2", "40×40", "8"),
    SearchNetwork("Normal cell×3", "1", "40×40", "8"),
    SearchNetwork("Reduction cell×1", "2", "20×20", "16"),
    SearchNetwork("Normal cell×2", "1", "20×20", "16"),
    SearchNetwork("ASPP", "–", "20×20", "16"),
)

CITYSCAPES_CLASSES = (
    *("road", "swalk", "build.", "wall", "fence", "pole", "tlight", "sign", "veg.", "terrain"),
    *("sky", "person", "rider", "car", "truck", "bus", "train", "mbike", "bike"),
)


def _cityscapes(method: str, iou: str, miou: str) -> Cityscapes:
    return Cityscapes(method, tuple(iou.split()), miou)


# ‡: without ImageNet pretraining
TABLE_5 = (
    _cityscapes(
        "ENet [62]", "96.3 74.2 85 32.2 33.2 43.5 34.1 44 88.6 61.4 90.6 65.5 38.4 90.6 36.9 50.5 48.1 38.8 55.4", "58.3"
    ),
    _cityscapes(
        "CRF-RNN [63]", "96.3 73.9 88.2 47.6 41.3 35.2 49.5 59.7 90.6 66.1 93.5 70.4 34.7 90.1 39.2 57.5 55.4 43.9 54.6", "62.5"
    ),
    _cityscapes(
        "FCN [64]", "97.4 78.4 89.2 34.9 44.2 47.4 60.1 65.0 91.4 69.3 93.9 77.1 51.4 92.6 35.3 48.6 46.5 51.6 66.8", "65.3"
    ),
    _cityscapes(
        "SiCNN+CRF [65]", "96.3 76.8 88.8 40.0 45.4 50.1 63.3 69.6 90.6 67.1 92.2 77.6 55.9 90.1 39.2 51.3 44.4 54.4 66.1", "66.3"
    ),
    _cityscapes(
        "DPN [66]", "97.5 78.5 89.5 40.4 45.9 51.1 56.8 65.3 91.5 69.4 94.5 77.5 54.2 92.5 44.5 53.4 49.9 52.1 64.8", "66.8"
    ),
    _cityscapes(
        "Dilation10 [67]",
        "97.6 79.2 89.9 37.3 47.6 53.2 58.6 65.2 91.8 69.4 93.7 78.9 55.0 93.3 45.5 53.4 47.7 52.2 66.0",
        "67.1",
    ),
    _cityscapes(
        "LRR [68]", "97.7 79.9 90.7 44.4 48.6 58.6 68.2 72.0 92.5 69.3 94.7 81.6 60.0 94.0 43.6 56.8 47.2 54.8 69.7", "69.7"
    ),
    _cityscapes(
        "DeepLabv2 [69]", "97.9 81.3 90.3 48.8 47.4 49.6 57.9 67.3 91.9 69.4 94.2 79.8 59.8 93.7 56.5 67.5 57.5 57.7 68.8", "70.4"
    ),
    _cityscapes(
        "Piecewise [70]", "98.0 82.6 90.6 44.0 50.7 51.1 65.0 71.7 92.0 72.0 94.1 81.5 61.1 94.3 61.1 65.1 53.8 61.6 70.6", "71.6"
    ),
    _cityscapes(
        "FRRN [71]", "98.2 83.3 91.6 45.8 51.1 62.2 69.4 72.4 92.6 70.0 94.9 81.6 62.7 94.6 49.1 67.1 55.3 53.5 53.5", "71.8"
    ),
    _cityscapes(
        "RefineNet [72]", "98.3 83.7 91.8 47.2 52.3 62.4 69.8 73.1 92.9 70.2 94.9 82.5 64.8 94.8 64.2 73 58.4 59.6 64.5", "73.6"
    ),
    _cityscapes(
        "TuSimple [73]", "98.4 84.8 92.4 54.3 54.3 62.8 70.2 75.9 93.2 70.9 94.7 84.1 66.5 95.3 68.3 78 63.9 64.8 73.6", "76.1"
    ),
    _cityscapes(
        "PSPNet [74]", "98.6 86.2 92.9 50.8 58.8 64.0 75.6 79.0 93.4 72.3 95.4 86.5 71.3 95.9 68.2 79.5 73.8 69.5 77.2", "78.4"
    ),
    _cityscapes(
        "DeepLabv3+ [75]",
        "98.4 86.4 93.0 57.6 62.5 64.3 76.0 79.6 94.0 71.5 96.2 86.5 70.0 96.2 71.2 85.6 77.2 68.4 77.0",
        "79.5",
    ),
    _cityscapes(
        "EoiNAS ‡", "97.9 81.5 91.4 50.5 52.7 59.4 69.6 72.7 92.5 70.1 95.0 81.3 60.1 94.3 51.2 67.7 61.3 59.5 71.2", "72.6"
    ),
    _cityscapes(
        "EoiNAS", "98.6 86.6 93.2 58.1 63.0 64.5 75.2 79.2 93.4 72.1 95.1 86.3 71.4 96.0 73.5 90.4 80.3 69.9 76.9", "80.2"
    ),
)

# Facts to print beside results, in the words of this project.
GDAS_COST = "The paper prints 1.0 and 0.8 GPU-days for GDAS and GDAS(FRC); the GDAS paper itself reports four GPU-hours."
GDAS_ABLATION = (
    "The paper's Table III row without SSS and OII repeats its Table I row of GDAS + CutOut: same days, parameters and error."
)
FRRN_MEAN = (
    "The 19 classes that Table V of the paper prints for FRRN average 71.0, the printed mean is 71.8 (bike repeats mbike's 53.5)."
)
DEEPLAB_MEAN = "The 19 classes that Table V of the paper prints for DeepLabv3+ average 79.56, the printed mean is 79.5."
RANDOM_ERROR, RANDOM_SD, RANDOM_NETWORKS = 3.05, 0.23, 214
RANDOM_SOURCE = "Yang, Esperança and Carlucci, NAS evaluation is frustratingly hard, ICLR 2020"
RANDOM = (
    "For orientation, quoted: random architectures of this search space, retrained with the same recipe, have a CIFAR-10 "
    f"error of {RANDOM_ERROR} ± {RANDOM_SD} % ({RANDOM_NETWORKS} networks; {RANDOM_SOURCE})."
)
SEEDS_ERROR, SEEDS_SD = 2.76, 0.09
SEEDS_SOURCE = "DARTS, second order: Liu, Simonyan and Yang, ICLR 2019"
MADDS = (
    "MAdds are multiply-adds of convolutions and linear layers for one image, without bias and batch normalisation. "
    "Published figures follow at least four conventions."
)
ERROR = (
    "A measured error is the share of test images that are wrong after the last epoch: "
    "mean ± sample standard deviation over n training runs, of one run the error alone. The best epoch is not used."
)
