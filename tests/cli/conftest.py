"""Fixtures of the command line; tests import the rest from where it is written."""

from calling import *  # noqa: F403
