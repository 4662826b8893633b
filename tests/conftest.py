"""What every test starts from: no network, no real Hub, caches of its own.

`huggingface_hub` reads its environment when it is imported, so it is set here, before anything
imports it. HF_ENDPOINT is the address at which `local_hub` serves; a test that reaches for the Hub
without asking for that fixture finds nobody there.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_HOME = Path(tempfile.mkdtemp(prefix="hubtools-tests-"))
_PORT = _free_port()
for _name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "HUBTOOLS_"))]:
    del os.environ[_name]
os.environ |= {
    "HF_ENDPOINT": f"http://127.0.0.1:{_PORT}",
    "HF_TOKEN": "hf_local",
    "HF_HOME": str(_HOME / "hf"),
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HUBTOOLS_CACHE": str(_HOME / "cache"),
}


@pytest.fixture(scope="session", autouse=True)
def _own_home() -> Iterator[None]:
    yield
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def _hub_of_session() -> Iterator[Hub]:
    from hubtools.localhub.server import Hub, User

    users = (
        User("me", "hf_local", orgs=("studio",)),
        User("me", "hf_reader", role="read", orgs=("studio",)),
        User("other", "hf_other"),
    )
    with Hub(_HOME / "hub", port=_PORT, users=users) as hub:
        yield hub


@pytest.fixture
def local_hub(_hub_of_session: Hub) -> Iterator[Hub]:
    """An empty embedded Hub at HF_ENDPOINT, for this process and its children.

    Users: `me` (token hf_local, the default; hf_reader may only read; member of `studio`) and
    `other` (hf_other). `.url`, `.store` (e.g. `.store.mount`), `.fail_next(...)`.
    """
    _hub_of_session.faults.clear()
    _hub_of_session.store.clear()
    yield _hub_of_session
    _hub_of_session.faults.clear()
