"""Where a rehearsal takes place: its folder in the project, a cache of the Hub and a port."""

from __future__ import annotations

import errno
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hubtools.dataset.sources.download import sweep
from hubtools.errors import HubtoolsError
from hubtools.files import write_text
from hubtools.layout import WORK_DIR, cache_dir
from hubtools.owned import claim, is_own
from hubtools.rooted import Root, fence

_PLACE = f"{WORK_DIR}/rehearsal"
_OWNER = "owner.json"  # sealed: who made the folder


def own_folder(project: Path, note: Callable[[str], None]) -> Path:
    """The folder of rehearsals, which keeps a Hub and its cache. One that came with the project
    would bring a base model or an account of somebody else's: it is moved aside, and a new one
    made. Raises `LeadsOut` if a link is in the way."""
    name = f"{_PLACE}/{_OWNER}"
    with Root(project) as root:
        links = any(root.is_link(f"{_PLACE}/{entry}") for entry in root.list(_PLACE))
        if root.exists(_PLACE) and (links or not is_own(root, name)):
            number = 1
            while root.exists(aside := f"{_PLACE}.other-{number}"):
                number += 1
            root.rename(_PLACE, aside)
            note(f"{project / _PLACE} was not made by you on this machine; it is now {aside}.")
        if not root.exists(_PLACE):
            claim(root, name, "hubtools rehearse")
    fence(project / _PLACE, project)
    return project / _PLACE


@contextmanager
def own_cache(root: Path) -> Iterator[Path]:
    """A cache of the Hub for one rehearsal. Libraries write there by its path, so it lies where
    nobody else can put a link: earlier versions had it in the project."""
    with Root(root) as own:
        own.remove_tree("hf-home")
    place = cache_dir() / "rehearsals"
    place.mkdir(parents=True, exist_ok=True)
    sweep(place, days=30)  # a training may take days
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=place) as home:
        yield Path(home)


def free_port(memory: Path) -> int:
    """The port of the last rehearsal if it is free, so that links stay the same; else any."""
    wanted = [0]
    with suppress(FileNotFoundError, ValueError):
        wanted.insert(0, int(memory.read_text()))
    for port in wanted:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                continue
            found = int(probe.getsockname()[1])
        write_text(memory, str(found))
        return found
    raise HubtoolsError("No port is free on this machine.", code="busy")
