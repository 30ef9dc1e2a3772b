"""The one error of starting the simulator: something outside is not as it must be."""


class SetupError(Exception):
    """A path, port or memory file cannot be used; the text names it and says what to do."""
