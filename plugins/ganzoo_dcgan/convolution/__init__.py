"""Convolution in other exact forms, each quicker than the library somewhere on a CPU."""
