"""The one exception that is meant for the user."""


class InputError(Exception):
    """Something from outside is wrong; the message is one line that names the file or key and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message if message.isprintable() else " ".join(message.split()))  # names from outside may hold any sign
