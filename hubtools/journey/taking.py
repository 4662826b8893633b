"""Which pictures `init --from` takes over, each with its captions and what belongs to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Listing, walk
from hubtools.dataset.metadata import FILE_NAME
from hubtools.errors import HubtoolsError
from hubtools.journey.kohya import read_kohya
from hubtools.journey.rolls import foreign_pictures, unentered
from hubtools.journey.said import Said, Texts
from hubtools.journey.trainers.config import Captions, Config, PictureSet
from hubtools.journey.trainers.places import place_of

_MOST_SETS = 200  # each may name the same folder, and is copied

Place = tuple[Path, str]  # a folder, and a name in it with /


@dataclass(frozen=True)
class Taken:
    """A picture that is taken over, as `target` with `/`."""

    source: Place
    target: str
    captions: Texts = ()
    repeats: float = 1
    controls: tuple[Place, ...] = ()
    mask: Place | None = None
    of_class: bool = False


@dataclass
class Haul:
    """All that is taken over: pictures to learn, pictures of the class, and sentences on what is
    left. `weights`: how much folders count in the loss, by glob; `settings`: what names of folders
    say, for [dataset]."""

    pictures: list[Taken] = field(default_factory=list)
    classes: list[Taken] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


def haul_of(home: Path, config: Config) -> Haul:
    """The pictures that settings name, if they lie in `home` or below. Raises `HubtoolsError` if
    there are none, and for captions that cannot be read."""
    if len(config.sets) > _MOST_SETS:
        raise HubtoolsError(
            f"The settings of {config.trainer} name {len(config.sets):,} sets of pictures; at most"
            f" {_MOST_SETS} are taken over.",
            hint="leave those out that you do not need",
            code="too-large",
        )
    found = Haul(left=list(config.said))
    names: set[str] = set()
    sets = [(wanted, _open(home, wanted)) for wanted in config.sets]
    several = sum(one is not None and not wanted.of_class for wanted, one in sets) > 1
    for wanted, one in sets:
        if one is None:
            found.left.append(f"There is no {wanted.shown[:200]} here: its pictures are left.")
            continue
        prefix = f"{_free(one.listing.root.name, names)}/" if several or wanted.of_class else ""
        taken = [replace(two, target=prefix + two.target) for two in one.pictures()]
        if config.placeholders:
            taken = [replace(two, captions=_filled(two.captions, config)) for two in taken]
        found.pictures += [two for two in taken if not two.of_class]
        found.classes += [two for two in taken if two.of_class]
        found.left += [*one.left, *unentered(one.listing)]
        found.settings = one.settings | found.settings
        if wanted.weight != 1 and taken and not wanted.of_class:
            found.weights[f"{prefix}*"] = wanted.weight
    if not found.pictures:
        raise _nothing_there(home, config)
    return found


def _nothing_there(home: Path, config: Config) -> HubtoolsError:
    first = next((one.shown for one in config.sets if not one.of_class), None)
    named = f"; it names {first[:200]}" if first else ""
    return HubtoolsError(
        f"The settings of {config.trainer} name no folder of pictures in {home} or below{named}.",
        hint="hubtools init NAME --from FILE --pictures FOLDER",
        code="nothing-there",
    )


def _filled(captions: Texts, config: Config) -> Texts:
    for mark, words in config.placeholders.items():
        captions = tuple(one.replace(mark, words) for one in captions)
    return captions


def _free(name: str, taken: set[str]) -> str:
    free, number = name or "pictures", 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free


def _open(home: Path, wanted: PictureSet) -> OpenedSet | None:
    table = place_of(home, wanted.table) if wanted.table else None
    if wanted.folder is not None:
        folder = place_of(home, wanted.folder)
    else:
        folder = table.parent if table is not None and table.is_file() else None
    if folder is None or not folder.is_dir():
        return None
    return OpenedSet(home, wanted, walk(folder), table)


@dataclass(frozen=True)
class OpenedSet:
    """A set whose folder was walked."""

    home: Path
    wanted: PictureSet
    listing: Listing
    table: Path | None = None
    left: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    def pictures(self) -> Iterator[Taken]:
        """What is taken, in the order of the folder. Raises `HubtoolsError` for captions that
        cannot be read."""
        if self.wanted.captions is Captions.KOHYA:
            yield from self._kohya()
            return
        wanted, said = self.wanted, self._said
        for source, name, target in self._named():
            captions = said.of(name) or wanted.prompts
            if wanted.prefix:
                captions = tuple(f"{wanted.prefix} {one}" for one in captions) or (wanted.prefix,)
            told = said.row(name)
            paths = [told[key] for key in sorted(told) if key.startswith("control_path")]
            controls = [
                *(self._partner(folder, name) for folder in wanted.controls),
                *(self._place(path) for path in paths if isinstance(path, str)),
                self._called(name, wanted.control_end),
            ]
            mask = self._partner(wanted.mask, name) if wanted.mask else None
            for key, one in (wanted.pairs.others.get(name, {}) if wanted.pairs else {}).items():
                if key == f"mask_{FILE_NAME}":
                    mask = self.listing.root, one
                else:
                    controls.append((self.listing.root, one))
            yield Taken(
                source,
                target,
                captions,
                wanted.repeats * said.often(name),
                tuple(one for one in controls if one is not None),
                mask or self._called(name, wanted.mask_end),
                wanted.of_class,
            )

    @cached_property
    def _said(self) -> Said:
        return Said(self.listing, self.wanted, self.table)

    def _named(self) -> Iterator[tuple[Place, str, str]]:
        """(place, name in the folder or in the table, name that it gets)."""
        if self.wanted.folder is None:
            taken: set[str] = set()
            seen: set[Place] = set()
            for name in self._said.rows:
                place = self._place(name)
                if place is None or place in seen:  # it may be called by several names
                    continue
                seen.add(place)
                path = PurePosixPath(place[1])
                target = path.relative_to(path.parts[0]) if len(path.parts) > 1 else path
                yield place, name, _free(target.as_posix(), taken)
            return
        ends = tuple(end for end in (self.wanted.mask_end, self.wanted.control_end) if end)
        for name in (*(one.name for one in self.listing.pictures), *foreign_pictures(self.listing)):
            path = PurePosixPath(name)
            if (self.wanted.deep or "/" not in name) and not path.stem.endswith(ends):
                yield (self.listing.root, name), name, name

    def _kohya(self) -> Iterator[Taken]:
        """Pictures of folders called `10_zwx dog`; of a folder without such ones, all."""
        found = read_kohya([one.name for one in self.listing.pictures], self.listing.names)
        for entry in self.listing.pictures:
            folder = PurePosixPath(entry.name).parent.as_posix()
            sets = found.sets | found.classes if found else {}
            if found is not None and folder not in sets:
                continue
            often, words = sets.get(folder, (1, ""))
            yield Taken(
                (self.listing.root, entry.name),
                entry.name,
                self._said.of(entry.name) or ((words,) if words else ()),
                often,
                of_class=self.wanted.of_class or (found is not None and folder in found.classes),
            )
        if found is not None and not self.wanted.of_class:
            self.settings.update(found.settings)
        if found is not None and found.others:
            self.left.append(f"Other pictures are left in {', '.join(found.others)}.")

    # --- what belongs to a picture ---------------------------------------------------------------

    def _place(self, name: str) -> Place | None:
        """A picture that a table names."""
        place = place_of(self.home, name)
        if place is None or not place.is_file() or place.suffix.lower() not in PICTURE_ENDINGS:
            return None
        root = self.home.resolve()
        return root, place.relative_to(root).as_posix()

    def _partner(self, folder: str, name: str) -> Place | None:
        """The picture of the same name in another folder, with whatever ending."""
        place = place_of(self.home, folder)
        if place is None or not place.is_dir():
            return None
        path = PurePosixPath(name)
        for ending in dict.fromkeys((path.suffix, ".png", ".jpg", ".jpeg", ".webp")):
            other = path.with_suffix(ending).as_posix()
            if (place / other).is_file():
                return place, other
        return None

    def _called(self, name: str, end: str) -> Place | None:
        """The picture beside it whose name has more at its end."""
        if not end:
            return None
        path = PurePosixPath(name)
        for ending in dict.fromkeys((".png", path.suffix)):
            other = path.with_name(f"{path.stem}{end}{ending}").as_posix()
            if other in self.listing.names:
                return self.listing.root, other
        return None
