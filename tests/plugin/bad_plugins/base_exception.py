"""Raises something that is no Exception."""

raise GeneratorExit("out of the ordinary")
