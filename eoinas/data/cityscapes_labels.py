"""The label table of Cityscapes: what a pixel of a labelIds image means, which 19 classes count, and their colours."""

from typing import NamedTuple

import numpy as np

IGNORE = 255  # train id of everything that is neither trained on nor scored
UNKNOWN = 254  # marks a label id outside the table


class Label(NamedTuple):
    """A row of the table."""

    name: str
    id: int  # in labelIds images
    train_id: int
    colour: tuple[int, int, int]


TABLE = (
    Label("unlabeled", 0, IGNORE, (0, 0, 0)),
    Label("ego vehicle", 1, IGNORE, (0, 0, 0)),
    Label("rectification border", 2, IGNORE, (0, 0, 0)),
    Label("out of roi", 3, IGNORE, (0, 0, 0)),
    Label("static", 4, IGNORE, (0, 0, 0)),
    Label("dynamic", 5, IGNORE, (111, 74, 0)),
    Label("ground", 6, IGNORE, (81, 0, 81)),
    Label("road", 7, 0, (128, 64, 128)),
    Label("sidewalk", 8, 1, (244, 35, 232)),
    Label("parking", 9, IGNORE, (250, 170, 160)),
    Label("rail track", 10, IGNORE, (230, 150, 140)),
    Label("building", 11, 2, (70, 70, 70)),
    Label("wall", 12, 3, (102, 102, 156)),
    Label("fence", 13, 4, (190, 153, 153)),
    Label("guard rail", 14, IGNORE, (180, 165, 180)),
    Label("bridge", 15, IGNORE, (150, 100, 100)),
    Label("tunnel", 16, IGNORE, (150, 120, 90)),
    Label("pole", 17, 5, (153, 153, 153)),
    Label("polegroup", 18, IGNORE, (153, 153, 153)),
    Label("traffic light", 19, 6, (250, 170, 30)),
    Label("traffic sign", 20, 7, (220, 220, 0)),
    Label("vegetation", 21, 8, (107, 142, 35)),
    Label("terrain", 22, 9, (152, 251, 152)),
    Label("sky", 23, 10, (70, 130, 180)),
    Label("person", 24, 11, (220, 20, 60)),
    Label("rider", 25, 12, (255, 0, 0)),
    Label("car", 26, 13, (0, 0, 142)),
    Label("truck", 27, 14, (0, 0, 70)),
    Label("bus", 28, 15, (0, 60, 100)),
    Label("caravan", 29, IGNORE, (0, 0, 90)),
    Label("trailer", 30, IGNORE, (0, 0, 110)),
    Label("train", 31, 16, (0, 80, 100)),
    Label("motorcycle", 32, 17, (0, 0, 230)),
    Label("bicycle", 33, 18, (119, 11, 32)),
    Label("license plate", -1, IGNORE, (0, 0, 142)),  # in the polygons alone; no labelIds image has it
)
ID = {label.name: label.id for label in TABLE}
EVALUATED = tuple(sorted((label for label in TABLE if label.train_id != IGNORE), key=lambda label: label.train_id))
CLASSES = tuple(label.name for label in EVALUATED)

# uint8 [256]: label id to train id, IGNORE or UNKNOWN.
TO_TRAIN = np.full(256, UNKNOWN, np.uint8)
for _label in TABLE:
    if _label.id >= 0:
        TO_TRAIN[_label.id] = _label.train_id
# uint8 [19]: train id to label id, which the official evaluator wants.
TO_LABEL = np.array([label.id for label in EVALUATED], np.uint8)
# uint8 [256, 3]: train id to colour, black for IGNORE.
COLOURS = np.zeros((256, 3), np.uint8)
COLOURS[: len(EVALUATED)] = [label.colour for label in EVALUATED]
