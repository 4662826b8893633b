"""The pictures and captions a trainer sees: the rows of the split `train` that `load_dataset(path)`
gives, as the rules have judged them, in the order of the metadata."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from shlex import quote

from hubtools.dataset.folder.listing import Listing
from hubtools.dataset.loaders import TRAIN, Loaded, Mode, Split, simulate_path
from hubtools.dataset.loaders.kinds import csv_value
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, Row, read_metadata
from hubtools.dataset.metadata.focus import Focus, trained_focus
from hubtools.dataset.metadata.repeats import MOST, by_glob, number_of
from hubtools.dataset.metadata.roles import (
    Role,
    RoleColumns,
    Roles,
    column_of,
    names_files,
    roles_of,
)
from hubtools.dataset.metadata.sidecars import how_to_caption
from hubtools.dataset.rows import role_columns
from hubtools.dataset.sources.local import LocalFolder
from hubtools.dataset.sources.names import where_pictures_are
from hubtools.dataset.view import Dataset
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.settings import DatasetSettings


@dataclass(frozen=True)
class Example:
    """A picture with its caption. `line` is that of its record, if the format has lines; `sha256`
    the digest of its file, if known; `controls` what it is made from, in the order of their
    columns; `mask` where the loss counts; `captions` all of several, the first of them `caption`;
    `repeats` how often an epoch has it, `weight` what its errors count, `focus` the crop's."""

    image: Path
    caption: str
    file_name: str  # relative to the dataset folder, with /
    line: int | None = None
    sha256: str | None = None
    controls: tuple[Path, ...] = ()
    mask: Path | None = None
    captions: tuple[str, ...] = ()
    repeats: float = 1
    weight: float = 1.0
    of_class: bool = False  # of prior preservation, not of the subject
    focus: Focus | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Its captions."""
        return self.captions or (self.caption,)


def examples_of(dataset: Dataset) -> list[Example]:
    """The training pictures of a folder that was read: what the loaders' simulation has in the
    split train, row by row.

    Raises `HubtoolsError` with file and line for a record that cannot be trained on (it is never
    skipped), and for a folder whose split train does not load.
    """
    loaded = dataset.loaders[Mode.AUTO]
    column = dataset.settings.caption_column
    told = role_columns(dataset.settings)
    others, times = tuple(dataset.settings.other_caption_columns), dataset.settings.repeats_column
    reading = Reading(
        dataset.root, dataset.listing, dataset.metadata, loaded, column, told, others, times,
        dataset.settings.instance_prompt,
    )  # fmt: skip
    return reading.examples()


def numbered(found: Sequence[Example], settings: DatasetSettings) -> list[Example]:
    """The examples with the repeats and weights that globs of the settings give them. Raises
    `HubtoolsError` for a glob that fits none."""
    names = [one.file_name for one in found]
    often = by_glob(names, settings.picture_repeats, "picture_repeats")
    weigh = by_glob(names, settings.picture_weights, "picture_weights")
    rows = zip(found, often, weigh, strict=True)
    return [replace(e, repeats=times or e.repeats, weight=w or e.weight) for e, times, w in rows]


def read_examples(
    folder: Path,
    caption_column: str,
    *,
    card: str | None = None,
    any_split: bool = False,
    roles: RoleColumns = RoleColumns(),  # noqa: B008
) -> list[Example]:
    """The same of a folder that was not read yet, without a look into its pictures: a damaged one
    is not noticed. `card`: the text of a README.md that stands for the one that is there.
    `any_split`: a folder with another split alone gives that. `roles`: what the settings say of
    the columns of pictures."""
    reading = reading_of(folder, caption_column, card, roles)
    return reading.examples(any_split=any_split)


def reading_of(folder: Path, caption_column: str, card: str | None, roles: RoleColumns) -> Reading:
    """What a loader makes of a folder, to be asked for its examples; as `read_examples`."""
    contents = LocalFolder(folder).look()
    named = (name for file in contents.metadata for name in file.mentioned)
    sound = chain((entry.name for entry in contents.pictures), named)
    loaded = simulate_path(contents.listing, contents.metadata, sound, card=card)
    return Reading(folder, contents.listing, contents.metadata, loaded, caption_column, roles)


@dataclass(frozen=True)
class Reading:
    """From what the loader makes of a folder to its examples."""

    folder: Path
    listing: Listing
    metadata: Sequence[MetadataFile]
    loaded: Loaded
    column: str
    told: RoleColumns
    others: tuple[str, ...] = ()  # columns of further captions
    times: str | None = None  # the column of repeats
    prompt: str | None = None  # one caption for all

    @property
    def _more(self) -> str:
        return f"`hubtools validate {quote(str(self.folder))}` tells more"

    def examples(self, *, any_split: bool = False) -> list[Example]:
        """Raises `HubtoolsError`."""
        split = self._split(any_split)
        broken = {one.row: one.reason for one in split.broken}
        found: list[Example] = []
        if not split.records and self.prompt is not None:
            return self._bare(split, self.prompt, broken)
        for file, rows in self._tables(split):
            if self.prompt is None and self.column not in split.columns:
                raise self._no_column(file, rows[0])
            roles = roles_of(file.columns, self.told)
            for column in roles.absent:
                raise HubtoolsError(
                    f"{self._place(file, rows[0])}: there is no column {column!r} of pictures.",
                    hint="correct the setting dataset.image_column, control_columns or mask_column",
                    code="file-damaged",
                )
            for row in rows:
                number = len(found)
                found.append(self._example(file, row, roles, split, number, broken.get(number)))
        return found

    def _bare(self, split: Split, prompt: str, broken: dict[int, str]) -> list[Example]:
        """Pictures without metadata, which all have one caption."""
        for number, reason in broken.items():
            place = self.folder / (split.files[number] or "")
            raise HubtoolsError(
                f"{place} cannot be read as a picture: {reason}.",
                hint="export it again as PNG or JPEG",
                code="file-damaged",
            )
        names = [name for name in split.files if name is not None]
        return [Example(self.folder / name, prompt, name) for name in names]

    def tables(self) -> list[tuple[MetadataFile, list[Row]]]:
        """The metadata files of the split train that have rows, and these."""
        return list(self._tables(self._split(any_split=False)))

    def _split(self, any_split: bool) -> Split:
        if not self.metadata and not self.listing.pictures:
            said, hint = where_pictures_are(self.folder, self.listing)
            raise HubtoolsError(f"{said}.", hint=hint, code="nothing-there")
        if not self.metadata and self.prompt is None:
            raise HubtoolsError(
                f"{self.folder} has no metadata.jsonl: there are no captions to train on.",
                hint=how_to_caption(self.folder, self.listing),
                code="file-not-found",
            )
        splits = self.loaded.splits
        if not splits or self.loaded.module != "imagefolder":
            reason = self.loaded.reason or f"it is read as {self.loaded.module}, not as pictures"
            for file in self.metadata:
                if file.name in reason:
                    self._check(file)
            raise HubtoolsError(
                f"{self.folder} does not load as pictures with captions: {reason}.",
                hint=self._more,
                code="file-damaged",
            )
        split = splits[0] if any_split and len(splits) == 1 else self.loaded.split(TRAIN)
        if split is None:
            names = " and ".join(other.name for other in splits)
            raise HubtoolsError(
                f"{self.folder} has no split {TRAIN}: it loads as {names}.",
                hint=f"name the split in README.md, or rename what makes it; {self._more}",
                code="nothing-there",
            )
        if not split.records and self.prompt is None:
            raise HubtoolsError(
                f"The split {split.name} of {self.folder} has pictures without metadata: there are"
                " no captions to train on.",
                hint=self._more,
                code="nothing-there",
            )
        return split

    def _tables(self, split: Split) -> Iterator[tuple[MetadataFile, list[Row]]]:
        """The metadata files of the split that have rows."""
        known = {file.name: file for file in self.metadata}
        entries = {entry.name: entry for entry in self.listing.entries}
        for name, count in split.records:
            if name not in entries:
                raise HubtoolsError(
                    f"{self.folder / name} lies in an archive.",
                    hint="unpack the archive; training reads pictures that lie in folders",
                    code="wrong-kind",
                )
            # one that is hidden is no metadata to the rules, and yet a card may name it
            file = known.get(name) or read_metadata(self.listing, entries[name])
            self._check(file)
            if len(file.rows) != count:
                raise HubtoolsError(
                    f"{self.folder / name}: {len(file.rows):,} records are there, and loaders read"
                    f" {count:,} rows.",
                    hint=self._more,
                    code="file-damaged",
                )
            if count:
                yield file, file.rows

    def _check(self, file: MetadataFile) -> None:
        """Raises `HubtoolsError` if something is wrong with the file."""
        for trouble in file.troubles[:1]:
            place = self.folder / file.name
            at = f"{place}:{trouble.line}" if trouble.line else place
            raise HubtoolsError(f"{at}: {trouble.message}.", hint=self._more, code="file-damaged")

    def _place(self, file: MetadataFile, row: Row) -> str:
        return f"{self.folder / file.name}" + (f":{row.line}" if row.line else "")

    def _no_column(
        self,
        file: MetadataFile,
        row: Row,
        column: str | None = None,
        option: str = "caption-column",
    ) -> HubtoolsError:
        columns = [column for column in file.columns if column != FILE_NAME]
        return HubtoolsError(
            f"{self._place(file, row)}: there is no column {column or self.column!r}.",
            hint=f"columns: {', '.join(columns) or 'none'}; choose with --{option}",
            code="file-damaged",
        )

    def _example(
        self, file: MetadataFile, row: Row, roles: Roles, split: Split, number: int,
        broken: str | None,
    ) -> Example:  # fmt: skip
        """`number` counts the rows of the split; `broken` is why the loader cannot open a picture
        of this one."""
        place, key = self._place(file, row), roles.image or FILE_NAME
        name = self._picture(
            place, row, key, _first(split.files_in(number, column_of(key))), broken
        )
        others: dict[Role, list[Path]] = {Role.CONTROL: [], Role.MASK: []}
        if names_files(key):  # its others are what the first is made from
            rest = zip_longest(row.named(key)[1:], split.files_in(number, column_of(key))[1:])
            found = [self._checked(place, one, key, two, broken) for one, two in rest]
            others[Role.CONTROL] += [self.folder / one for one in found]
        for other, role in roles.others:
            loaded = split.files_in(number, column_of(other))
            if names_files(other):
                pairs = zip_longest(row.named(other), loaded)
                found = [self._checked(place, one, other, two, broken) for one, two in pairs]
            else:
                found = [self._picture(place, row, other, _first(loaded), broken)]
            others[role] += [self.folder / one for one in found]
        if self.column not in row.values and self.prompt is None:
            raise self._no_column(file, row)
        texts = (
            [self.prompt]
            if self.prompt is not None
            else self._texts(place, row, self.column, csv=file.entry.ending == ".csv")
        )
        for column in self.others if self.prompt is None else ():
            if column not in file.columns:
                raise self._no_column(file, row, column, "other-caption-columns")
            if row.values.get(column) is not None:
                texts += self._texts(place, row, column, csv=file.entry.ending == ".csv")
        return Example(
            self.folder / name, texts[0], name, row.line,
            controls=tuple(others[Role.CONTROL]), mask=next(iter(others[Role.MASK]), None),
            captions=tuple(texts) if len(texts) > 1 else (),
            repeats=self._repeats(place, file, row), focus=trained_focus(place, row.values),
        )  # fmt: skip

    def _repeats(self, place: str, file: MetadataFile, row: Row) -> float:
        if self.times is None:
            return 1
        if self.times not in file.columns:
            raise self._no_column(file, row, self.times, "repeats-column")
        value = row.values.get(self.times)
        if (number := number_of(value)) is None:
            raise HubtoolsError(
                f"{place}: {self.times} is {value!r}, no number of repeats.",
                hint=f"write a number above 0, up to {MOST:,}",
                code="file-damaged",
            )
        return number

    def _texts(self, place: str, row: Row, column: str, *, csv: bool) -> list[str]:
        """The captions of a column: its text, or those of its list."""
        value = row.values[column]
        texts = value if isinstance(value, list) and value else [value]
        for caption in texts:
            if not isinstance(caption, str):
                raise HubtoolsError(
                    f"{place}: {column} is {value!r}, not a text.",
                    hint="write a caption",
                    code="file-damaged",
                )
            if caption and csv and csv_value(caption) is None:
                raise HubtoolsError(
                    f"{place}: {caption!r} in a CSV file is read as no caption.",
                    hint="describe the picture, or write the metadata as JSON Lines",
                    code="file-damaged",
                )
        return list(texts)

    def _picture(
        self, place: str, row: Row, key: str, loaded: str | None, broken: str | None
    ) -> str:
        """The one picture that a row names in `key`, if the loader has it there as well."""
        names = row.named(key)
        if not names:
            raise HubtoolsError(
                f"{place}: the record has no {key}.", hint="name its picture", code="file-damaged"
            )
        return self._checked(place, names[0], key, loaded, broken)

    def _checked(
        self, place: str, name: str | None, key: str, loaded: str | None, broken: str | None
    ) -> str:
        if name is None:
            raise HubtoolsError(
                f"{place}: loaders read {loaded} in {key}, which the record does not name.",
                code="file-damaged",
            )
        if name.startswith(("../", "/")) or os.path.isabs(name):
            raise HubtoolsError(
                f"{place}: {name} lies outside the dataset folder.", code="link-refused"
            )
        if name not in self.listing.names:
            raise HubtoolsError(
                f"{place}: there is no picture {name}.",
                hint="correct the name or add the picture",
                code="file-damaged",
            )
        if name != loaded:
            raise HubtoolsError(
                f"{place}: loaders read {loaded or 'no picture'} here, not {name}.",
                hint=f"name one picture a record, in {key}",
                code="file-damaged",
            )
        if broken:
            raise HubtoolsError(
                f"{place}: {name} cannot be read as a picture: {broken}.",
                hint="export it again as PNG or JPEG",
                code="file-damaged",
            )
        return name


def _first(names: Sequence[str]) -> str | None:
    return names[0] if names else None


def fingerprint(examples: Sequence[Example]) -> str:
    """SHA-256 over each picture's bytes, caption and focus, and the bytes of the pictures beside
    it, in order: equal data, equal fingerprint."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(bytes.fromhex(example.sha256 or sha256_of(example.image)))
        for caption in example.texts:
            digest.update(hashlib.sha256(caption.encode()).digest())
        if example.repeats != 1:
            digest.update(f"{example.repeats:.15g} times".encode())
        if example.weight != 1:
            digest.update(f"weight {example.weight!r}".encode())
        if example.focus is not None:
            digest.update(f"around {example.focus!r}".encode())
        for other in (*example.controls, *([example.mask] if example.mask else [])):
            digest.update(bytes.fromhex(sha256_of(other)))
    return digest.hexdigest()
