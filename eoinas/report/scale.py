"""How a scale is announced, so that nothing measured below paper scale can pass for a number of the paper."""

_BELOW_PAPER = {
    "demo": "demo scale: stand-in images, not a paper result",
    "study": "study scale: reduced budget, not a paper result",
}


def announce(scale: str) -> str:
    """The words that every title of a table, figure or page carries."""
    return _BELOW_PAPER.get(scale, f"{scale} scale")


def is_paper(scale: str) -> bool:
    """Whether measured numbers follow the paper's settings and may be held against its numbers."""
    return scale == "paper"
