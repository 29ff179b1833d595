"""Views: what is shown changes with the run."""
