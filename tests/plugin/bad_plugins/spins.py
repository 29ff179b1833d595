"""Never ends, and catches every exception on the way."""

import contextlib

while True:
    with contextlib.suppress(Exception):
        sum(range(1000))
