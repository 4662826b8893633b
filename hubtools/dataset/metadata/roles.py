"""What the picture columns of a record are for: what is learnt, what it is made from, and where it
counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from hubtools.dataset.metadata.named import FILE_NAME
from hubtools.patterns import regex

IMAGE = "image"  # what loaders call the pictures of `file_name`

# Words of a column's name that tell its role, where `file_name` alone does not.
_MASK = {"mask", "masks", "matte", "mattes"}
_RESULT = {"target", "targets", "output", "outputs", "edited", "result", "after", "generated"}
_GIVEN = {
    "cond", "condition", "conditions", "conditioning", "control", "controls", "source", "src",
    "input", "inputs", "ref", "refs", "reference", "references", "before", "original", "hint",
    "guide",
}  # fmt: skip
_WORD = regex(r"[a-z]+")


class Role(StrEnum):
    """What a picture is in its row."""

    IMAGE = "image"  # what is learnt: the only one that a caption describes
    CONTROL = "control"  # what it is made from: an input of the model
    MASK = "mask"  # where in the picture the loss counts


class RoleColumns(NamedTuple):
    """What the settings say of columns, by either of their names (`mask` or `mask_file_name`);
    None: to be guessed."""

    image: str | None = None
    controls: tuple[str, ...] | None = None
    mask: str | None = None


@dataclass(frozen=True)
class Roles:
    """The keys of a record by role. `image` is None where no column names pictures; of a list it is
    the first, and the others are controls. `absent` are columns of the settings that are not
    there."""

    image: str | None
    controls: tuple[str, ...] = ()
    mask: str | None = None
    absent: tuple[str, ...] = ()

    @property
    def others(self) -> tuple[tuple[str, Role], ...]:
        """Keys of the pictures beside the one that is learnt."""
        controls = tuple((key, Role.CONTROL) for key in self.controls)
        return (*controls, (self.mask, Role.MASK)) if self.mask else controls


def names_file(key: str) -> bool:
    """True for a key whose value is the name of a file: `file_name`, `mask_file_name`."""
    return key == FILE_NAME or key.endswith(f"_{FILE_NAME}")


def names_files(key: str) -> bool:
    """True for a key whose value lists files: `file_names`, `reference_file_names`."""
    return key == f"{FILE_NAME}s" or key.endswith(f"_{FILE_NAME}s")


def column_of(key: str, base: str = IMAGE) -> str:
    """What loaders call the column of a key that names files; `base` that of `file_name`."""
    if names_file(key):
        return key.removesuffix(FILE_NAME).removesuffix("_") or base
    return key.removesuffix(f"{FILE_NAME}s").removesuffix("_") or f"{base}s"


def roles_of(columns: Sequence[str], told: RoleColumns = RoleColumns()) -> Roles:  # noqa: B008
    """The roles of the columns that name files, as `told` and else as their names say.

    What is learnt is in the column whose name says so (`target`, `edited_image`), else in
    `file_name`; masks are in the column that says so; all others hold controls. Where there are
    lists alone, the first picture of one is learnt, and its others are controls.
    """
    keys = [key for key in columns if names_file(key) or names_files(key)]
    if keys == [FILE_NAME] and not any(told):  # nearly always
        return Roles(FILE_NAME)
    absent: list[str] = []

    def found(name: str) -> str | None:
        near = next((key for key in keys if name in (key, column_of(key))), None)
        if near is None:
            absent.append(name)
        return near

    named = [key for key in (found(name) for name in told.controls or ()) if key is not None]
    mask = found(told.mask) if told.mask else None
    image = found(told.image) if told.image else None
    if mask is None and not told.mask:
        taken = (*named, image)
        mask = next((key for key in keys if key not in taken and words_of(key) & _MASK), None)
    if image is None and not told.image:
        free = [key for key in keys if names_file(key) and key != mask and key not in named]
        image = _learnt(free)
    if image is None and not told.image:  # a list has what is learnt first, then what it is made of
        lists = [key for key in keys if names_files(key) and key != mask and key not in named]
        image = next(iter(sorted(lists, key=len)), None)
    if told.controls is None:
        named = [key for key in keys if key not in (image, mask) and not words_of(key) & _MASK]
    return Roles(image, tuple(named), mask, tuple(absent))


def image_key(columns: Sequence[str]) -> str:
    """The key of the pictures that are learnt, as the names of the columns say; `file_name` where
    there is none."""
    return roles_of(columns).image or FILE_NAME


def _learnt(keys: Sequence[str]) -> str | None:
    tellers: tuple[Callable[[str], bool], ...] = (
        lambda key: bool(words_of(key) & _RESULT),
        lambda key: key == FILE_NAME,
        lambda key: column_of(key) == IMAGE,
        lambda key: not words_of(key) & _GIVEN,
        lambda key: True,
    )
    return next((key for teller in tellers for key in keys if teller(key)), None)


def tells_given(name: str) -> bool:
    """Whether a name, of a column or a folder, says that its pictures are what others are made
    from."""
    return bool(words_of(name) & _GIVEN)


def tells_mask(name: str) -> bool:
    """Whether it says that its pictures are masks."""
    return bool(words_of(name) & _MASK)


def tells_result(name: str) -> bool:
    """Whether it says that its pictures are made from others."""
    return bool(words_of(name) & _RESULT)


def words_of(key: str) -> set[str]:
    """The words in the name of a column of pictures: `conditioning`, `image`."""
    return set(_WORD.findall(column_of(key).lower()))
