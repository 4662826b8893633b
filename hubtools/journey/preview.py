"""`preview`: the pages that a folder would have on the Hub, before anything is published."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from hubtools.errors import HubtoolsError, require_extra
from hubtools.journey.outlook import Judgement
from hubtools.layout import CARD
from hubtools.localhub.door import Door
from hubtools.project import Project
from hubtools.publish.options import PushOptions
from hubtools.publish.release import RepoType, collect

_OWNER = "me"
_FRESH = 1.0  # seconds that a look at a folder is good for


@dataclass(frozen=True)
class Shown:
    """A repository of a preview. `card`: it has one."""

    repo: str
    repo_type: RepoType
    files: int
    card: bool


@dataclass(frozen=True)
class Preview:
    """Pages while they are served. `url` has the key without which nobody sees them; `wait` returns
    at Ctrl-C."""

    url: str
    shown: tuple[Shown, ...]
    wait: Callable[[], None]


@dataclass
class _Release:
    """What a push of a folder would send, as the folder is now."""

    folder: Path
    repo_type: RepoType
    options: PushOptions
    last: dict[str, Path] = field(default_factory=dict)
    looked: float = 0.0

    def look(self) -> Mapping[str, Path]:
        """The files by their names in the repository. Raises `HubtoolsError`."""
        found = collect(self.folder, self.repo_type, **self.options.of_release)
        self.last = {file.name: file.source for file in found.files}
        return self.last

    def pick(self) -> Mapping[str, Path]:
        """The same, for the many requests of a page; of a folder that is being changed, what it
        was before."""
        if monotonic() - self.looked > _FRESH:
            with suppress(HubtoolsError, OSError):
                self.look()
            self.looked = monotonic()
        return self.last


@contextmanager
def preview(
    places: Sequence[tuple[Path, RepoType, PushOptions]],
    project: Project,
    *,
    repo: str | None = None,
    port: int = 0,
) -> Iterator[Preview]:
    """Serve the pages of folders as repositories (of one: `repo`; default: what the project calls
    them, or a name made of the folder's) on this machine's loopback, behind a key, with what the
    checks find. They follow the folders. Nothing is written into these, no Hub is asked. Raises
    `HubtoolsError` if a folder holds nothing to publish."""
    require_extra("hub", "The embedded Hub")
    from hubtools.localhub.serve import Running
    from hubtools.localhub.server import Hub

    releases = [_Release(*place) for place in places]
    for release in releases:
        release.look()
    names = [repo or _name(one.folder, one.repo_type, project) for one in releases]
    door = Door()
    outlook = Judgement(project, {one.folder.resolve(): one.options for one in releases})
    with (
        tempfile.TemporaryDirectory(prefix="hubtools-preview-") as root,
        Hub(Path(root) / "hub", port=port, outlook=outlook, door=door) as hub,
    ):
        for name, one in zip(names, releases, strict=True):
            hub.store.mount(one.repo_type, name, one.folder, pick=one.pick)
        kind = "datasets/" if releases[0].repo_type == "dataset" else ""
        page = f"{kind}{names[0]}" if len(names) == 1 else ""
        found = tuple(
            Shown(name, one.repo_type, len(one.last), (one.folder / CARD).is_file())
            for name, one in zip(names, releases, strict=True)
        )
        yield Preview(door.address(hub.url, page), found, Running(hub).wait)


def _name(folder: Path, repo_type: RepoType, project: Project) -> str:
    """The name that a push would use; else one from the folder's."""
    own = project.model.repo if repo_type == "model" else project.dataset.repo
    if own:
        return own if "/" in own else f"{_OWNER}/{own}"
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in folder.resolve().name)
    return f"{_OWNER}/{'-'.join(part for part in letters.split('-') if part)[:90] or 'folder'}"
