"""`hub serve` as a function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubtools.commands.asked import takes
from hubtools.journey.outlook import Judgement
from hubtools.localhub.serve import Running
from hubtools.localhub.serve import serve as serve_hub


@takes(serve_hub, but=("outlook",))
@contextmanager
def serve(root: Path, **asked: Any) -> Iterator[Running]:
    """A running embedded Hub, whose pages show what checks say of its repositories: `.hub` has its
    address and token. `mounts` such as `models/me/base=./base`; the other arguments are those of
    `hubtools hub serve`. Raises `HubtoolsError` if its port or folder is taken."""
    with serve_hub(root, outlook=Judgement(), **asked) as running:
        yield running
