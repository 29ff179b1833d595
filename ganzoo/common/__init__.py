"""Errors, whole files, downloads and text: what knows nothing of GANs."""
