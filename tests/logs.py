"""What is logged is kept for the report of a test that fails; pytest looks through all loggers for
that, six times a test, and hangs its handlers at those that hand nothing on.

PyTorch has sixty of those among six hundred, and says nothing there that a test asks for: only
what reaches the root is kept.
"""

from __future__ import annotations

import logging
from typing import Any

from _pytest.logging import catching_logs


def _enter(self: Any) -> logging.Handler:
    """As pytest's own, without the loggers below the root."""
    root = logging.getLogger()
    if self.level is not None:
        self.handler.setLevel(self.level)
        self.orig_level = root.level
        root.setLevel(min(self.orig_level, self.level))
    root.addHandler(self.handler)
    self.attached_loggers.append(root)
    handler: logging.Handler = self.handler
    return handler


catching_logs.__enter__ = _enter  # type: ignore[method-assign,assignment]
