"""ganzoo: a plugin-architecture GAN zoo. Importing it imports nothing heavy."""

__version__ = "0.1.0"
