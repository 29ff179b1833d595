"""The run folder: layout, lock, record, log, checkpoints and weights."""
