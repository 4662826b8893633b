"""Regular expressions that are compiled when they are first used.

To compile one costs up to a few milliseconds, and most commands use few of those that the modules
they import hold.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


def regex(source: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """What `re.compile(source, flags)` makes, and used in the same way; a `source` that is no
    regular expression raises `re.error` at the first use."""
    return cast("re.Pattern[AnyStr]", Late(source, flags))


class Late:
    """Stands for a pattern, and has its attributes and methods."""

    def __init__(self, source: str | bytes, flags: int) -> None:
        self._source, self._flags = source, flags

    def __getattr__(self, name: str) -> Any:
        # asked only for what is not there yet
        if name.startswith("__"):
            raise AttributeError(name)
        value = getattr(re.compile(self._source, self._flags), name)
        setattr(self, name, value)
        return value
