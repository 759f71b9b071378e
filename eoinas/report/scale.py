"""How a scale is announced, so that nothing measured below paper scale can pass for a number of the paper."""

_STAND_INS = "demo"


def announce(scale: str) -> str:
    """The words that every title of a table, figure or page carries."""
    if is_paper(scale):
        return "paper scale"
    return f"{scale} scale: {'stand-in images' if scale == _STAND_INS else 'reduced budget'}, not a paper result"


def is_paper(scale: str) -> bool:
    """Whether measured numbers follow the paper's settings and may be held against its numbers."""
    return scale == "paper"
