"""Whether this thread may ask a Hub: not while a library opens a model from a folder."""

from __future__ import annotations

import threading
from typing import Any

from hubtools.errors import HubtoolsError


class Opening(threading.local):
    """What this thread opens: the name of a model, and whether its pickles may be; or None."""

    model: tuple[str, bool] | None = None


opening = Opening()


class AsksTheHub(HubtoolsError, ConnectionError):
    """A model's folder has the library that opens it ask a Hub for more."""

    default_code = "unsafe-file"


def refuse_while_opening(request: Any) -> None:
    """Raise `AsksTheHub` if this thread opens a model from its folder."""
    if opening.model is not None:
        raise AsksTheHub(
            f"{opening.model[0]} has the library that opens it ask the Hub for"
            f" {request.url.path[:80]!r}; a model is opened from its folder alone.",
            hint="remove the entry of its settings that names another repository",
        )
