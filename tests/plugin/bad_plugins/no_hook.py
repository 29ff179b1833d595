"""Is a module like any other."""

ANSWER = 42
