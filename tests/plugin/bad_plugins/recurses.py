"""Calls itself until Python gives up."""


def again() -> None:
    """Call itself."""
    again()


again()
