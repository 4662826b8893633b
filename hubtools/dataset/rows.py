"""The rows of a dataset and the pictures that they name, each in its role."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from hubtools.dataset.folder.names import escapes
from hubtools.dataset.metadata import MetadataFile, Row
from hubtools.dataset.metadata.roles import Role, RoleColumns, Roles, names_files, roles_of
from hubtools.dataset.text.blank import is_blank
from hubtools.dataset.text.coverage import VIEW_COLUMNS, Covered, cover
from hubtools.settings import DatasetSettings


def _given(roles: Roles) -> tuple[str, ...]:
    """The columns that hold controls: that of what is learnt is one of them if it holds lists."""
    image = roles.image or ""
    return (*roles.controls, image) if names_files(image) else roles.controls


class Partner(NamedTuple):
    """A picture of a row beside the one that is learnt, named in `key`; None if it names none."""

    row: Row
    key: str
    role: Role
    name: str | None


def role_columns(settings: DatasetSettings) -> RoleColumns:
    """What the settings say of the roles of columns."""
    controls = settings.control_columns
    return RoleColumns(
        settings.image_column,
        None if controls is None else tuple(controls),
        settings.mask_column,
    )


def texts_in(value: Any) -> list[str]:
    """The texts of a caption as metadata hold it: one, or a list of them, blank ones left out;
    none of what is neither."""
    if isinstance(value, str):
        return [] if is_blank(value) else [value]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        return []
    return [text for text in value if not is_blank(text)]


def captions_in(row: Row, settings: DatasetSettings) -> list[str]:
    """All captions of a row, those of the caption column first; or the one for all."""
    if settings.instance_prompt is not None:
        return [settings.instance_prompt]
    texts = texts_in(row.values.get(settings.caption_column))
    for column in settings.other_caption_columns:
        texts += texts_in(row.values.get(column))
    return texts


def shots_of(
    named: Iterable[tuple[Row, str]], settings: DatasetSettings
) -> tuple[tuple[Covered, ...], tuple[str, ...]]:
    """The shot plan's entries with the pictures that fulfil them, and the pictures that fulfil
    none; two empty ones if there is no plan. `named`: records with the picture of each."""
    plan = settings.plan
    if not plan:
        return (), ()
    wanted = {settings.view_column.lower()} if settings.view_column else set(VIEW_COLUMNS)

    def told(row: Row) -> list[str]:
        return [
            value
            for key, value in row.values.items()
            if key.lower() in wanted and isinstance(value, str) and value
        ]

    caption = settings.caption_column
    return cover(
        plan, ((name, str(row.values.get(caption) or ""), told(row)) for row, name in named)
    )


class Rows:
    """What a dataset's records name."""

    metadata: tuple[MetadataFile, ...]
    settings: DatasetSettings

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Rows of all metadata files, in order."""
        return tuple(row for file in self.metadata for row in file.rows)

    @cached_property
    def roles(self) -> dict[str, Roles]:
        """What the picture columns of each metadata file are for."""
        told = role_columns(self.settings)
        return {file.name: roles_of(file.columns, told) for file in self.metadata}

    def roles_at(self, row: Row) -> Roles:
        """Those of a row's file."""
        return self._roles_by_source[row.source]

    @cached_property
    def _roles_by_source(self) -> dict[str, Roles]:
        found = dict(self.roles)
        for file in self.metadata:
            if file.rows and file.rows[0].source != file.name:  # in a shard each has its own
                found |= {row.source: self.roles[file.name] for row in file.rows}
        return found

    def resolved(self) -> Iterator[tuple[Row, str]]:
        """Rows that name a picture to learn, wherever it is, with its name."""
        for file in self.metadata:
            key = self.roles[file.name].image
            for row, name in zip(file.rows, file.pictures_in(key), strict=True) if key else ():
                if name is not None:
                    yield row, name

    @cached_property
    def named(self) -> tuple[tuple[Row, str], ...]:
        """Rows that name a file inside the folder, with that name."""
        return tuple((row, name) for row, name in self.resolved() if not escapes(name))

    @cached_property
    def rows_of(self) -> dict[str, list[Row]]:
        """Rows by the picture they name."""
        found: dict[str, list[Row]] = {}
        for row, name in self.named:
            found.setdefault(name, []).append(row)
        return found

    @cached_property
    def partners(self) -> tuple[Partner, ...]:
        """The pictures of rows beside the one that is learnt; of a column that names none in a row
        one without a name."""
        found: list[Partner] = []
        for file in self.metadata:
            roles = self.roles[file.name]
            for row in file.rows if roles.others else ():
                for key, role in roles.others:
                    names = row.named(key) or (None,)
                    found += (Partner(row, key, role, name) for name in names)
            key = roles.image or ""
            for row in file.rows if names_files(key) else ():
                found += (Partner(row, key, Role.CONTROL, name) for name in row.named(key)[1:])
        return tuple(found)

    @cached_property
    def mentioned(self) -> frozenset[str]:
        """Names of the files in the folder that rows name, whatever for."""
        others = (one.name for one in self.partners)
        return frozenset(self.rows_of) | {n for n in others if n is not None and not escapes(n)}

    @cached_property
    def role_of(self) -> dict[str, Role]:
        """The roles of the pictures that are not to be learnt; one that is, in another row, is
        not among them."""
        found: dict[str, Role] = {}
        for one in self.partners:
            if one.name is not None and one.name not in self.rows_of:
                found.setdefault(one.name, one.role)
        return found

    def role_facts(self) -> dict[str, dict[str, object]]:
        """For each role: its columns as records call them, whether they were guessed by their
        names, and how many pictures have it; empty if there is one column, `file_name`."""
        all_roles = self.roles.values()
        if not any(roles.others or roles.image not in (None, "file_name") for roles in all_roles):
            return {}
        told = role_columns(self.settings)
        columns = {
            Role.IMAGE: [roles.image for roles in all_roles if roles.image],
            Role.CONTROL: [key for roles in all_roles for key in _given(roles)],
            Role.MASK: [roles.mask for roles in all_roles if roles.mask],
        }
        guessed = {
            Role.IMAGE: told.image is None,
            Role.CONTROL: told.controls is None,
            Role.MASK: told.mask is None,
        }
        counts = dict.fromkeys(Role, 0) | {Role.IMAGE: len(self.rows_of)}
        for role in self.role_of.values():
            counts[role] += 1
        return {
            role.value: {
                "columns": list(dict.fromkeys(keys)),
                "guessed": guessed[role],
                "pictures": counts[role],
            }
            for role, keys in columns.items()
            if keys
        }
