"""How much longer things take on a machine that others want too."""

from __future__ import annotations

import os

MOST = 10  # times as long, at the most


def crowd() -> float:
    """How many times as long things take here, as others want the processors too."""
    if not hasattr(os, "getloadavg"):
        return 1.0
    return min(MOST, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
