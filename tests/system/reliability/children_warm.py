"""Imported once by the fork server: what every child needs, and nothing that has state."""

from importlib.metadata import entry_points

import torch

import ganzoo.training.loop  # noqa: F401

torch.set_num_threads(1)
# The first optimizer imports torch's compiler; the server has it done before anything is forked.
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])
for entry in entry_points(group="ganzoo"):
    entry.load()
