"""The demo's data: street scenes drawn by code, in the layout and with the label ids of Cityscapes.

All 19 classes occur in both splits, and void labels too. Classes differ in colour and texture but overlap under noise and light,
so that they have to be learned.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from eoinas.data.cityscapes_labels import ID

CITY = {"train": "drawn", "val": "sketch"}
# Colour and its spread over scenes, and the strength of the pixel noise. Some are near on purpose.
LOOK = {
    "road": ((92, 90, 94), 14, 9),
    "sidewalk": ((150, 142, 138), 16, 14),
    "building": ((128, 104, 88), 34, 20),
    "wall": ((140, 124, 110), 18, 12),
    "fence": ((112, 108, 100), 18, 34),
    "pole": ((82, 82, 80), 14, 8),
    "traffic light": ((44, 50, 44), 10, 26),
    "traffic sign": ((196, 178, 62), 34, 16),
    "vegetation": ((66, 98, 50), 20, 30),
    "terrain": ((118, 132, 70), 18, 20),
    "sky": ((176, 196, 218), 24, 5),
    "person": ((120, 70, 72), 40, 18),
    "rider": ((84, 64, 108), 36, 18),
    "car": ((96, 30, 44), 60, 12),
    "truck": ((180, 176, 164), 40, 12),
    "bus": ((188, 148, 40), 30, 10),
    "train": ((60, 112, 128), 30, 10),
    "motorcycle": ((52, 46, 46), 12, 24),
    "bicycle": ((70, 78, 92), 16, 30),
    "ego vehicle": ((30, 30, 34), 6, 4),
    "static": ((106, 100, 92), 30, 26),
}


def write(root: Path, counts: Mapping[str, int], width: int, height: int, seed: int) -> None:
    """Draw ``counts[split]`` scenes of a split into ``root``.

    Args:
        width, height: of a scene in pixels.
        seed: equal seeds give equal bytes.
    """
    from PIL import Image

    for split, count in counts.items():
        folders = [root / half / split / CITY[split] for half in ("leftImg8bit", "gtFine")]
        for folder in folders:
            folder.mkdir(parents=True)
        for index in range(count):
            generator = np.random.default_rng([seed, int(split == "val"), index])
            picture, labels = scene(index, width, height, generator)
            name = f"{CITY[split]}_{index:06d}_000000"
            Image.fromarray(picture).save(folders[0] / f"{name}_leftImg8bit.png")
            Image.fromarray(labels).save(folders[1] / f"{name}_gtFine_labelIds.png")


def scene(index: int, width: int, height: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A scene uint8 [height, width, 3] and its label ids uint8 [height, width]; what is seldom comes in turn with ``index``."""
    labels = _layout(index, width, height, generator)
    picture = np.zeros((height, width, 3))
    for name, (colour, spread, noise) in LOOK.items():
        where = labels == ID[name]
        base = np.array(colour) + generator.normal(0, spread, 3)
        picture[where] = (base + generator.normal(0, noise, (height, width, 1)))[where]
    light = np.linspace(*generator.uniform(0.75, 1.2, 2), width)[None, :, None]  # the sun stands on one side
    picture = picture * light + generator.normal(0, 6, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), labels


def _layout(index: int, width: int, height: int, generator: np.random.Generator) -> np.ndarray:
    """Label ids uint8 [height, width], drawn from far to near."""
    from PIL import Image, ImageDraw

    page = Image.new("L", (width, height), ID["sky"])
    pen = ImageDraw.Draw(page)
    unit = height / 96  # sizes below are of a scene 96 pixels high

    def uniform(low: float, high: float) -> float:
        return float(generator.uniform(low, high))

    def box(name: str, left: float, top: float, wide: float, high: float) -> None:
        pen.rectangle((left, top, left + wide * unit, top + high * unit), fill=ID[name])

    horizon = uniform(0.42, 0.5) * height
    left = 0.0
    while left < width:  # houses, with gaps of sky
        wide = uniform(18, 44)
        box("building", left, horizon - uniform(12, 36) * unit, wide, 60)
        left += (wide + uniform(-4, 10)) * unit
    pen.rectangle((0, horizon, width, height), fill=ID["sidewalk"])
    side = int(generator.integers(2))
    pen.rectangle((0 if side else width * 0.72, horizon, width * 0.28 if side else width, horizon + 9 * unit), fill=ID["terrain"])
    for _ in range(3):
        x, radius = uniform(0, width), uniform(6, 12) * unit
        pen.ellipse((x - radius, horizon - 1.6 * radius, x + radius, horizon + 0.3 * radius), fill=ID["vegetation"])
    box(("wall", "fence")[index % 2], uniform(0.05, 0.6) * width, horizon - 4 * unit, uniform(30, 60), 10)
    vanishing = uniform(0.4, 0.6) * width
    road = [
        (vanishing - 8 * unit, horizon + 3 * unit),
        (vanishing + 8 * unit, horizon + 3 * unit),
        (width * 0.96, height),
        (width * 0.04, height),
    ]
    pen.polygon(road, fill=ID["road"])
    box("static", uniform(0.02, 0.9) * width, horizon + 12 * unit, 5, 7)

    for number, name in enumerate(("traffic sign", "traffic light")):
        x = (uniform(0.1, 0.3) if number else uniform(0.7, 0.9)) * width
        top = horizon - uniform(16, 26) * unit
        box("pole", x, top, 2, 36)
        box(name, x - 3 * unit, top, *((7, 7) if number == 0 else (5, 10)))

    big = ("truck", "bus", "train")[index % 3]
    box(big, uniform(0.25, 0.45) * width, horizon - 6 * unit, uniform(28, 42), 22)
    for _ in range(2):
        x, y = uniform(0.1, 0.8) * width, horizon + uniform(10, 18) * unit
        box("car", x, y, 20, 8)
        box("car", x + 4 * unit, y - 5 * unit, 11, 5)
    for _ in range(2):
        x, y = uniform(0.02, 0.95) * width, horizon + uniform(0, 12) * unit
        box("person", x, y, 5, 15)
    two_wheeler = ("motorcycle", "bicycle")[index % 2]
    x, y = uniform(0.3, 0.7) * width, horizon + uniform(20, 26) * unit
    box(two_wheeler, x, y, 14, 8)
    box("rider", x + 4 * unit, y - 10 * unit, 6, 13)
    pen.ellipse((width * 0.2, height - 7 * unit, width * 0.8, height + 20 * unit), fill=ID["ego vehicle"])
    return np.asarray(page)
