"""What the conformance kit says of a component, asked no longer than it takes to hear it."""

from __future__ import annotations

import re
from typing import Any

from ganzoo import testing


def missed(target: testing.Target, *words: str, **options: Any) -> list[str]:
    """Return which of ``words``, regular expressions, no problem that is found says."""
    left = list(words)
    for case in testing.cases(target, **options):
        if not left:
            break
        found = [str(each) for each in case() if each.status == "failed"]
        left = [one for one in left if not any(re.search(one, text) for text in found)]
    return left
