"""Copies what `init --from` takes over. A run that was killed goes on when it is started again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from hubtools.dataset.folder.appearing import one_on_this_disk, open_own
from hubtools.dataset.folder.names import fold
from hubtools.dataset.pictures.reading import read_file
from hubtools.disks import private_mode
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.findings import plural
from hubtools.hub.errors import as_sentence
from hubtools.journey.taking import Haul, Place, Taken
from hubtools.layout import WORK_DIR, new_replaced
from hubtools.rooted import Root
from hubtools.rooted.names import is_left_over

METADATA = "metadata.jsonl"
_IGNORE = 10_000_000  # bytes of a .gitignore
_GLOBS = 20  # folders whose repeats are settings; of more they are a column


class Aside:
    """Where `init --force` keeps the files of the project in `folder` that it replaces: captions
    that somebody wrote since may be in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = new_replaced()
        self.count = 0

    def keep(self, name: str) -> None:
        """Move the file or link `name`, relative to the project, out of the way, if there is
        one."""
        with Root(self.folder, create=True) as root:
            if root.exists(name):
                root.rename(name, f"{self.place}/{name}")
                self.count += 1

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What fails in here says where the files are that were replaced until then."""
        try:
            yield
        except Exception as error:
            told = as_sentence(error)
            if told is None or not self.count:
                raise
            told.hint = f"{told.hint or 'run the same command again'}. {self.kept_sentences()[0]}"
            raise told from error

    def kept_sentences(self) -> tuple[str, ...]:
        """A sentence on what was kept, if anything was."""
        if not self.count:
            return ()
        files = plural(self.count, "file")
        be = "is" if self.count == 1 else "are"
        return (f"{files} that --force replaced {be} kept in {self.folder / self.place}.",)


def lay_out(pictures: Sequence[Taken]) -> tuple[dict[str, Place], list[dict[str, Any]]]:
    """(files by the name that they get, records of the metadata) of pictures."""
    given = {place for one in pictures for place in (*one.controls, one.mask) if place is not None}
    learnt = [one for one in pictures if one.source not in given]
    files = {one.target: one.source for one in learnt}
    depth = max((len(one.controls) for one in learnt), default=0)
    folders = {_first(name) for name in files}
    texts = max((len(one.captions) for one in learnt), default=0)
    places: dict[Place, str] = {}

    def laid(place: Place, folder: str, target: str) -> str:
        if place not in places:
            ending = PurePosixPath(place[1]).suffix
            name = f"{_free(folder, folders)}/{PurePosixPath(target).with_suffix(ending)}"
            places[place], files[name] = name, place
        return places[place]

    rows = []
    for one in learnt:
        text: Any = list(one.captions) if texts > 1 else next(iter(one.captions), "")
        row: dict[str, Any] = {"file_name": one.target, "text": text}
        for number in range(depth):
            key = "control" if number == 0 else f"control_{number + 1}"
            there = number < len(one.controls)
            row[f"{key}_file_name"] = laid(one.controls[number], key, one.target) if there else None
        if any(two.mask for two in learnt):
            row["mask_file_name"] = laid(one.mask, "mask", one.target) if one.mask else None
        rows.append(row)
    return files, rows


def repeats_of(pictures: Sequence[Taken], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How often an epoch has the pictures, as settings of [dataset]: by folder where each has one
    number, else a column that is written into the rows."""
    told = {one.target: one.repeats for one in pictures}
    by_folder: dict[str, set[float]] = {}
    for row in rows:
        folder = PurePosixPath(row["file_name"]).parent.as_posix()
        by_folder.setdefault(folder, set()).add(told[row["file_name"]])
    if all(times == {1} for times in by_folder.values()):
        return {}
    # a glob of a folder fits what is below it as well: those come later
    folders = sorted(by_folder)
    plain = not any(letter in folder for folder in folders for letter in "*?[|:")
    if plain and len(folders) <= _GLOBS and all(len(times) == 1 for times in by_folder.values()):
        numbers = {"*" if f == "." else f"{f}/*": _plain(min(by_folder[f])) for f in folders}
        return {"picture_repeats": numbers}
    whole = all(told[row["file_name"]] == int(told[row["file_name"]]) for row in rows)
    for row in rows:  # all of one kind, as loaders ask
        often = told[row["file_name"]]
        row["repeats"] = int(often) if whole else float(often)
    return {"repeats_column": "repeats"}


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number


def _first(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _free(folder: str, taken: set[str]) -> str:
    """A folder of that name that holds no pictures to learn."""
    name = folder
    while name in taken:
        name = f"{name}_"
    return name


def copy_files(
    files: Mapping[str, Place],
    target: Path,
    rows: Iterable[Mapping[str, Any]] | None,
    *,
    aside: Aside | None,
) -> None:
    """Copy files into the folder `target`, and write the records beside them. What an earlier run
    has copied stays; something else that is there goes to `aside`. Raises `HubtoolsError` for it if
    there is no `aside`, or for a name that metadata cannot have."""
    odd = next((name for name in files if not _is_text(name)), None)
    if odd is not None:
        raise HubtoolsError(
            f"{files[odd][0]} holds a file whose name is not in UTF-8: {odd!r}.",
            hint="rename it; metadata.jsonl could not name it",
            code="file-not-usable",
        )
    own = {}
    if rows is not None:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        own[METADATA] = ("\n".join(lines) + "\n").encode()
    if aside is None:
        refuse_to_mix(target, files, own)
    with Root(target.parent, create=True) as above, above.inside(target.name, create=True) as root:
        alike: dict[str, list[str]] = {}
        private = False
        for name, (folder, there) in files.items():
            others = alike.setdefault(fold(name), [])
            if (
                other := next((one for one in others if root.are_one(one, name)), None)
            ) is not None:
                raise one_on_this_disk(other, name)
            others.append(name)
            if is_copy(target / name, folder / there):
                continue
            if aside is not None:
                aside.keep(f"{target.name}/{name}")
            with open_own(folder, there) as file:
                made = private_mode(file.fileno())
                private = private or made is not None
                with root.filling(name, mode=made) as copy:
                    shutil.copyfileobj(file, copy)
        root.private = private
        for name, data in own.items():  # last: what it names is there
            was = data if root.is_file(name) and root.read(name) == data else None
            if aside is not None and was is None:
                aside.keep(f"{target.name}/{name}")
            root.write_over(name, data, was)


def _is_text(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def is_copy(one: Path, other: Path) -> bool:
    """Whether both are files of the same bytes, and the first is no link."""
    if not one.is_file() or one.is_symlink():
        return False
    return one.stat().st_size == other.stat().st_size and sha256_of(one) == sha256_of(other)


def refuse_to_mix(
    dataset: Path, files: Mapping[str, Place], own: Mapping[str, bytes | Callable[[], bytes]]
) -> None:
    """Raises `HubtoolsError` if a folder holds something else than copies of `files` and what is
    written beside them (`own`), which a run that was killed has left."""
    for path in sorted(dataset.rglob("*")) if dataset.is_dir() else ():
        name = path.relative_to(dataset).as_posix()
        if (path.is_dir() and not path.is_symlink()) or is_left_over(path.name):
            continue
        if name in files and is_copy(path, files[name][0] / files[name][1]):
            continue
        if name in own and path.is_file() and not path.is_symlink():
            wanted = own[name]
            if read_file(path) == (wanted if isinstance(wanted, bytes) else wanted()):
                continue
        raise HubtoolsError(
            f"{dataset} is not empty; {name} would mix with what is written there.",
            hint="give another folder, or --force",
            code="file-exists",
        )


def class_folder(haul: Haul, folder: Path, *, aside: Aside | None) -> dict[str, Any]:
    """Copy the pictures of the class into `class` beside the dataset; answers what goes into
    [train]."""
    if not haul.classes:
        return {}
    files, rows = lay_out(haul.classes)
    copy_files(files, folder / "class", rows, aside=aside)
    if not all(row["text"] for row in rows):
        haul.left.append(
            "Some pictures of the class have no caption: write them into class/metadata.jsonl, or"
            " one for all as train.class_prompt."
        )
    return {"with_prior_preservation": True, "class_data_dir": "class"}


def ignore_runs(folder: Path) -> None:
    """Have git leave the runs of a project alone, and hubtools' own folder."""
    name = ".gitignore"
    with Root(folder) as root:
        if root.is_link(name):
            return  # somebody shares it between projects
        was = root.read(name, _IGNORE) if root.exists(name) else None
        text = was or b""
        there = [line.strip() for line in text.splitlines()]
        wanted = (b"runs/", f"{WORK_DIR}/".encode())
        missing = [line for line in wanted if line not in there]
        if missing:
            before = text if text.endswith(b"\n") or not text else text + b"\n"
            root.write_over(name, before + b"\n".join(missing) + b"\n", was)
