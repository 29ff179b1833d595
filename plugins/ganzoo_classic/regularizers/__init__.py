"""Regularizers: terms that go with any loss."""
