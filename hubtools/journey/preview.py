"""`preview`: the pages that a folder would have on the Hub, before anything is published."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from hubtools.cards.render import write_dataset_card, write_model_card
from hubtools.errors import HubtoolsError, require_extra
from hubtools.journey.outlook import Judgement
from hubtools.layout import CARD, title_of
from hubtools.localhub.door import Door
from hubtools.project import Project
from hubtools.publish.options import PushOptions
from hubtools.publish.release import RepoType, collect
from hubtools.publish.undo import pushed_to

_OWNER = "me"
_FRESH = 1.0  # seconds that a look at a folder is good for


@dataclass(frozen=True)
class Shown:
    """A repository of a preview. `card`: it has one; `draft`: shown is that which `card` would
    write, with its sentences about it; None without one, and `why` there can be none."""

    repo: str
    repo_type: RepoType
    files: int
    card: bool
    draft: tuple[str, ...] | None = None
    why: str | None = None


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
    draft: dict[str, Path] = field(default_factory=dict)  # what `card` would write
    files: int = 0  # that a push would send
    looked: float = 0.0

    def look(self) -> Mapping[str, Path]:
        """The files by their names in the repository; without a card the draft of one as well.
        Raises `HubtoolsError`."""
        found = collect(self.folder, self.repo_type, **self.options.of_release)
        self.last = {file.name: file.source for file in found.files}
        self.files = len(self.last)
        if CARD not in self.last:
            self.last = self.draft | self.last
        return self.last

    def draw_up(self, project: Project, place: Path) -> tuple[tuple[str, ...] | None, str | None]:
        """Write the card that is not there into `place`, with its pictures, as `card` would write
        it into the folder. Answers what `card` would say, None if there is a card or can be none,
        and why there can be none."""
        if CARD in self.last or self.repo_type == "space":
            return None, None
        write = write_model_card if self.repo_type == "model" else write_dataset_card
        place.mkdir()
        try:
            made = write(self.folder, project, into=place)
        except HubtoolsError as error:
            return None, error.message
        names = (path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
        self.draft = {name: place / name for name in names}
        return made.notes, None

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
    checks find. They follow the folders; where there is no card yet, it is the one that `card`
    would write. Nothing is written into these, no Hub is asked. Raises `HubtoolsError` if a folder
    holds nothing to publish."""
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
        place = Path(root).resolve()
        drafts = [one.draw_up(project, place / f"card{n}") for n, one in enumerate(releases)]
        for name, one in zip(names, releases, strict=True):
            hub.store.mount(one.repo_type, name, one.folder, pick=one.pick)
        kind = "datasets/" if releases[0].repo_type == "dataset" else ""
        page = f"{kind}{names[0]}" if len(names) == 1 else ""
        found = tuple(
            Shown(name, one.repo_type, one.files, (one.folder / CARD).is_file(), *draft)
            for name, one, draft in zip(names, releases, drafts, strict=True)
        )
        yield Preview(door.address(hub.url, page), found, Running(hub).wait)


def _name(folder: Path, repo_type: RepoType, project: Project) -> str:
    """The name that a push would use, or did; else one from the folder's."""
    own = project.model.repo if repo_type == "model" else project.dataset.repo
    if own or (own := pushed_to(folder, repo_type)):
        return own if "/" in own else f"{_OWNER}/{own}"
    called = title_of(folder) if repo_type == "dataset" else folder.resolve().name
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in called)
    return f"{_OWNER}/{'-'.join(part for part in letters.split('-') if part)[:90] or 'folder'}"
