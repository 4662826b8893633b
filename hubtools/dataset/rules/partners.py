"""D223 to D227, D229 and D230: rows of more than one picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from hubtools.dataset.folder.listing import PICTURE_ENDINGS
from hubtools.dataset.metadata import MetadataFile
from hubtools.dataset.metadata.named import resolved
from hubtools.dataset.metadata.roles import IMAGE, Role, names_file, names_files, words_of
from hubtools.dataset.rows import Partner
from hubtools.dataset.rules.book import DATASET_RULES, plural
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity

_WHAT = {Role.CONTROL: "control picture", Role.MASK: "mask"}


@DATASET_RULES.rule("D223", "A row has no control picture or no mask", Severity.ERROR)
def no_partner(view: Dataset) -> Iterator[Problem]:
    """Other rows name a second picture (what the first is made from, or a mask), this one does not.
    Loaders give None there. Without a control picture the trainer stops, or learns the picture
    without what it is to be made from.

    A row without a mask is a warning: `train` learns all of its picture, as sd-scripts does.
    ai-toolkit learns nothing of it where another picture of its batch has a mask.

    Example: {"file_name": "a.png", "control_file_name": null, "text": "a cat"}
    Fix: name the picture, or remove the record; leave a mask out where the whole picture counts.
    """
    for one in view.partners:
        if one.name is not None:
            continue
        if one.role is Role.MASK:
            yield Problem(
                f"the record names no mask in {one.key}, as others do: `train` learns all of it",
                "name the mask; leave it out if the whole picture is to be learnt",
                *view.where(one.row),
                severity=Severity.WARNING,
            )
        else:
            yield Problem(
                f"the record names no {_WHAT[one.role]} in {one.key}",
                "name the picture, or remove the record",
                *view.where(one.row),
            )


def _pairs(view: Dataset, role: Role) -> Iterator[tuple[Partner, str, str]]:
    """(partner, the picture that is learnt, the other one), of those that can be read."""
    there = (
        {name for name, ok in zip(view.table.names, view.table.whole.tolist(), strict=True) if ok}
        if view.partners
        else set[str]()
    )
    for one in view.partners:
        key = view.roles_at(one.row).image
        mine = one.row.named(key) if key else ()
        if one.role is role and one.name in there and mine and mine[0] in there:
            yield one, mine[0], one.name


def _told_sizes(view: Dataset, role: Role) -> Iterator[Problem]:
    by_key: dict[str, list[tuple[Partner, str, str]]] = defaultdict(list)
    total: dict[str, int] = defaultdict(int)
    for pair in _pairs(view, role):
        partner, mine, other = pair
        total[partner.key] += 1
        if view.pictures[mine].upright_size != view.pictures[other].upright_size:
            by_key[partner.key].append(pair)
    for key, pairs in by_key.items():
        partner, mine, other = pairs[0]
        one, two = ("{}x{}".format(*view.pictures[name].upright_size) for name in (other, mine))
        yield Problem(
            f"{len(pairs)} of {plural(total[key], _WHAT[role])} in {key} differ in size from the"
            f" picture of their row: {other} is {one}, {mine} {two}",
            "give both pictures of a row the same size, unless the difference is meant",
            *view.where(partner.row),
            severity=Severity.WARNING if role is Role.MASK and _other_shape(view, pairs) else None,
        )


def _other_shape(view: Dataset, pairs: list[tuple[Partner, str, str]]) -> bool:
    """True if one of these pictures has other proportions than that of its row: what it covers is
    then elsewhere."""
    for _, mine, other in pairs:
        (wide, high), (width, height) = (view.pictures[n].upright_size for n in (mine, other))
        if abs(wide * height - width * high) > 0.02 * wide * height:
            return True
    return False


@DATASET_RULES.rule("D224", "A control picture or mask has another size", Severity.INFO)
def other_size(view: Dataset) -> Iterator[Problem]:
    """Training resizes and cuts both pictures of a row to the same size. Of two with different
    shapes different parts are cut off, and what stood in the same place no longer does. Where the
    second picture is a reference (the same object elsewhere) it does not matter.

    A mask of other proportions than its picture is a warning: what it covers is then elsewhere.

    Example: a.png is 1024x1024, its control picture 512x768
    Fix: export both in the same size.
    """
    yield from _told_sizes(view, Role.CONTROL)
    yield from _told_sizes(view, Role.MASK)


# Bits of grey levels: a mask has two, and a soft edge; photos have six and more.
_PLAIN, _RICH = 3.0, 4.5
# Variance of the Laplacian: below, grey levels are a gradient, as soft masks are.
_DETAIL = 15.0


@DATASET_RULES.rule("D229", "A mask is no mask", Severity.WARNING)
def no_mask(view: Dataset) -> Iterator[Problem]:
    """A mask is white where the loss counts and black where it does not. A photo in its place, or
    the picture itself, counts every pixel a little, by its brightness.

    Example: mask_file_name names the picture without its background
    Fix: export black and white masks, or take the column out of dataset.mask_column.
    """
    for one, mine, other in _pairs(view, Role.MASK):
        facts = view.pictures[other]
        why = None
        if mine == other or facts.digest == view.pictures[mine].digest:
            why = "is the picture itself"
        elif facts.information > _RICH and facts.sharpness > _DETAIL:
            why = f"has the grey levels of a photo ({facts.information:.1f} bits; a mask has one)"
        if why is not None:
            yield Problem(
                f"{other}, the mask of {mine}, {why}",
                "export a black and white mask",
                *view.where(one.row),
            )


_DRAWN = {
    "cond", "condition", "conditioning", "control", "hint", "guide", "canny", "depth", "pose",
    "edge", "edges", "seg", "scribble", "lineart", "sketch",
}  # fmt: skip


@DATASET_RULES.rule("D230", "Pairs are the wrong way round", Severity.WARNING)
def turned_round(view: Dataset) -> Iterator[Problem]:
    """The pictures to learn are lines, poses or areas, and their control pictures are photos: the
    columns, or their roles, are exchanged, and the model learns to draw what it is to be guided by.

    Example: file_name names the edges, control_file_name the photo
    Fix: exchange the columns, or set dataset.image_column and dataset.control_columns.
    """
    turned: dict[str, list[tuple[Partner, str, str]]] = defaultdict(list)
    total: dict[str, int] = defaultdict(int)
    for pair in _pairs(view, Role.CONTROL):
        one, mine, other = pair
        if _DRAWN.isdisjoint(words_of(one.key)):
            continue
        total[one.key] += 1
        drawn, photo = view.pictures[mine].information, view.pictures[other].information
        if drawn < _PLAIN and photo > _RICH:
            turned[one.key].append(pair)
    for key, pairs in turned.items():
        if 5 * len(pairs) >= 4 * total[key]:
            one, mine, other = pairs[0]
            yield Problem(
                f"in {len(pairs)} of {plural(total[key], 'row')} {key} names a photo ({other}), and"
                f" what is learnt is a drawing ({mine})",
                "exchange the columns, or set dataset.image_column",
                *view.where(one.row),
            )


@DATASET_RULES.rule("D225", "A control picture is the picture to learn", Severity.ERROR)
def same_picture(view: Dataset) -> Iterator[Problem]:
    """The row teaches to change nothing: both pictures are the same file, or two files with the
    same bytes. Often a column was filled with the wrong names.

    Example: {"file_name": "a.png", "control_file_name": "a.png", "text": "make it night"}
    Fix: name the picture before the change, or remove the record.
    """
    for one, mine, other in _pairs(view, Role.CONTROL):
        same = mine == other or view.pictures[mine].digest == view.pictures[other].digest
        if same:
            yield Problem(
                f"{one.key} names the picture that is to be learnt itself"
                if mine == other
                else f"{one.key} names {other}, which is the same picture as {mine}",
                "name what the picture is made from, or remove the record",
                *view.where(one.row),
            )


@DATASET_RULES.rule(
    "D226", "A column of pictures that the settings name is not there", Severity.ERROR
)
def absent_column(view: Dataset) -> Iterator[Problem]:
    """dataset.image_column, control_columns and mask_column name columns of pictures: keys of the
    records that end in _file_name or _file_names, with or without that ending.

    Example: control_columns = ["pose"], and the records have depth_file_name
    Fix: correct the setting, or rename the column.
    """
    for file in view.metadata:
        for name in view.roles[file.name].absent if file.rows else ():
            known = [key for key in file.columns if names_file(key) or names_files(key)]
            own = f"{name.removesuffix('_file_name')}_file_name"
            yield Problem(
                f"there is no column {name!r} of pictures (columns of pictures:"
                f" {', '.join(known) or 'none'})",
                f"correct the setting, or call the column {own}",
                file.name,
                file.rows[0].line,
            )


@DATASET_RULES.rule("D227", "A column names pictures, and is read as text", Severity.ERROR)
def names_as_text(view: Dataset) -> Iterator[Problem]:
    """Loaders take only columns for pictures whose names end in file_name, or in file_names for
    lists. Of any other column they give the text; its pictures are not loaded, and not trained on.

    Example: {"file_name": "a.png", "conditioning_image": "cond/a.png", "text": "a cat"}
    Fix: call the column conditioning_image_file_name.
    """
    for file, column, _ in text_columns(view):
        many = isinstance(file.rows[0].values.get(column), list)
        yield Problem(
            f"{column} names pictures, and loaders read it as text",
            f"call the column {column}_file_name{'s' if many else ''}",
            file.name,
            file.rows[0].line,
        )


def text_columns(view: Dataset) -> Iterator[tuple[MetadataFile, str, list[str]]]:
    """(metadata file, column, the files that it names) of columns of texts that name pictures of
    the folder in every row."""
    there = view.listing.names
    for file in view.metadata:
        # D115 speaks of a file without any column of pictures
        opened = any(names_file(column) or names_files(column) for column in file.columns)
        for column in file.columns if file.rows and opened else ():
            # D117 speaks of a column called image
            if names_file(column) or names_files(column) or column == IMAGE:
                continue
            found: list[str] = []
            for row in file.rows:
                value = row.values.get(column)
                named = _pictures_in(value, file.entry.folder, there)
                if not named:
                    break
                found += named
            else:
                yield file, column, found


def _pictures_in(value: object, folder: str, there: AbstractSet[str]) -> list[str]:
    """The pictures of the folder that a value, a text or a list of texts, names; none if it holds
    anything else."""
    listed = value if isinstance(value, list) else [value]
    names = [
        name
        for item in listed
        if isinstance(item, str) and item.lower().endswith(tuple(PICTURE_ENDINGS))
        if (name := resolved(folder, item)) in there and name is not None
    ]
    return names if len(names) == len(listed) else []
