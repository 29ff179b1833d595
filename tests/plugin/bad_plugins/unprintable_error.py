"""Raises an error whose message cannot be read."""


class UnprintableError(Exception):
    """Fails even to say what failed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


raise UnprintableError
