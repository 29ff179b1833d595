"""What a trained generator can be written as; imports no torch."""

FORMATS = ("safetensors", "pt2", "onnx", "hub", "zoo")
PROGRAMS = ("pt2", "onnx")
"""Those that hold the network itself and need no ganzoo."""
FOLDERS = ("hub", "zoo")
"""Those that are a folder."""
