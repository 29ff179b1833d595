"""Calls sys.exit() when it is imported."""

import sys

sys.exit("this plugin would rather stop")
