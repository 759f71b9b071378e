"""How a scale is announced, so that nothing measured below paper scale can pass for a number of the paper."""

_STAND_INS = "demo"


def announce(scale: str) -> str:
    """The words that every title of a table, figure or page carries."""
    if is_paper(scale):
        return "paper scale"
    return f"{scale} scale: {'stand-in images' if scale == _STAND_INS else 'reduced budget'}, not a paper result"


def opening(scale: str) -> str:
    """The same at the head of a sentence."""
    words = announce(scale)
    return words[0].upper() + words[1:]


def is_paper(scale: str) -> bool:
    """Whether it is the paper's scale, by name: its numbers may be held against the paper's, as far as nothing else is set."""
    return scale == "paper"
