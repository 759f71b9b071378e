"""Colours made of one: a light fill, and a line or letters that can be read on it."""

CONTRAST = 4.5  # of letters, WCAG 2 AA
_TINT = 0.84  # share of white in a fill


def fill(colour: str) -> str:
    """A light tint of "#rrggbb"."""
    return _hex([part + (1 - part) * _TINT for part in _parts(colour)])


def letters(colour: str) -> str:
    """The colour, as much darker as letters on ``fill(colour)`` need to be."""
    parts, ground = _parts(colour), _luminance(_parts(fill(colour)))
    while (ground + 0.05) / (_luminance(parts) + 0.05) < CONTRAST:
        parts = [0.95 * part for part in parts]
    return _hex(parts)


def _parts(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def _hex(parts: list[float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _luminance(parts: list[float]) -> float:
    """Relative luminance of sRGB, 0 to 1."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
