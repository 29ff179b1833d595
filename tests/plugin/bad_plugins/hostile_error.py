"""Raises an error that would drive a terminal."""

raise ValueError("red \x1b[31m and\nsplit \u202e over lines")
