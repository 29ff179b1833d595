"""What a trained generator can be written as; imports no torch."""

FORMATS = ("safetensors", "pt2", "onnx", "hub")
PROGRAMS = ("pt2", "onnx")
"""Those that hold the network itself and need no ganzoo."""
