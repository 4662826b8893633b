"""Rules on columns: the names and the types of what the metadata holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hubtools.dataset.folder.listing import PICTURE_ENDINGS
from hubtools.dataset.loaders.tables import CHUNK
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.focus import COLUMN as FOCUS
from hubtools.dataset.metadata.focus import HOW, focus_of
from hubtools.dataset.metadata.roles import names_file, names_files
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity, shortened


@DATASET_RULES.rule("D115", "The metadata has no file_name column", Severity.ERROR)
def no_file_name(view: Dataset) -> Iterator[Problem]:
    """The column that names the picture must be called file_name. Other names fail with
    "`file_name`, ... must be present".

    Example: {"filename": "a.png", "text": "a cat"}
    Fix: rename the column to file_name.
    """
    for file in view.metadata:
        if file.rows and not any(
            names_file(column) or names_files(column) for column in file.columns
        ):
            near = next(
                (c for c in file.columns if c.lower().strip() in _LIKE_FILE_NAME), None
            ) or next((c for c in file.columns if _holds_names(file.rows[0].values.get(c))), None)
            columns = ", ".join(file.columns)
            yield Problem(
                f"there is no column file_name (columns: {columns}); loading fails",
                f"rename the column {near} to file_name" if near else "add the column file_name",
                file.name,
                file.rows[0].line,
            )


_LIKE_FILE_NAME = {"filename", "file", "image", "image_file", "path", "file name", "img", "name"}


def _holds_names(value: object) -> bool:
    if not isinstance(value, str) or "." not in value:
        return False
    return "." + value.rpartition(".")[2].lower() in PICTURE_ENDINGS


@DATASET_RULES.rule("D116", "A record names no picture", Severity.ERROR)
def null_file_name(view: Dataset) -> Iterator[Problem]:
    """A record whose file_name is absent, null, empty or a number loads as a row without a
    picture; the trainer crashes on it hours later.

    Example: {"file_name": null, "text": "a cat"}
    Fix: name the picture, or remove the record.
    """
    for file in view.metadata:
        key = view.roles[file.name].image
        if key is None:
            continue  # D115 speaks of it
        for row in file.rows:
            value = row.values.get(key)
            if isinstance(value, str) and value.strip():
                continue
            if names_files(key) and row.named(key):
                continue
            said = "absent" if key not in row.values else repr(value)
            yield Problem(
                f"{key} is {said}: the row loads without a picture",
                "name the picture, or remove the record",
                *view.where(row),
            )


@DATASET_RULES.rule("D117", "A column is called image", Severity.ERROR)
def image_column(view: Dataset) -> Iterator[Problem]:
    """The loader makes a column `image` for the picture. A column of that name in the metadata
    wins over it: `image` is then text and the picture is gone.

    Example: {"file_name": "a.png", "image": "a.png", "text": "a cat"}
    Fix: rename the column in the metadata.
    """
    for file in view.metadata:
        if FILE_NAME in file.columns and "image" in file.columns:
            yield Problem(
                "a column called image hides the pictures from the loader",
                "rename the column, e.g. to subject",
                file.name,
                1,
            )


@DATASET_RULES.rule("D118", "A column changes its type", Severity.ERROR)
def type_drift(view: Dataset) -> Iterator[Problem]:
    """Arrow wants one type a column. A number among texts (or a list, or an object) makes loading
    fail, sometimes only once the file is large.

    Example: {"file_name": "a.png", "text": "a cat"} and {"file_name": "b.png", "text": 7}
    Fix: write the odd value in the type of the others.
    """
    for file in view.metadata:
        if file.entry.ending != ".jsonl":
            continue
        first: dict[str, str] = {}
        said: set[str] = set()
        values = [row.values for row in file.rows]
        if len(file.columns) * len(values) < 4 * sum(map(len, values)):
            types = ({type(value.get(key)) for value in values} for key in file.columns)
            if all(len(kinds - {type(None)}) < 2 for kinds in types):
                continue  # nearly always, and there may be many rows
        for row in file.rows:
            for key, value in row.values.items():
                if value is None or key in said:
                    continue
                kind = _type(value)
                if first.setdefault(key, kind) != kind:
                    said.add(key)
                    yield Problem(
                        f"{key} is {kind} here and {first[key]} before; loading fails",
                        f"write it as {first[key]} in every record",
                        *view.where(row),
                    )


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object"


@DATASET_RULES.rule("D119", "A key is missing in some records", Severity.WARNING)
def missing_key(view: Dataset) -> Iterator[Problem]:
    """Rows without the key load with None there. A key that first appears late in a large file
    (beyond the first 10 MB) is dropped altogether, which is an error.

    Example: {"file_name": "a.png", "text": "a cat"} and {"file_name": "b.png"}
    Fix: give every record the same keys.
    """
    caption = view.settings.caption_column
    for file in view.metadata:
        if file.entry.ending != ".jsonl" or len(file.rows) < 2:
            continue
        # the loader takes its columns from what it reads first
        end = file.data.count(b"\n", 0, CHUNK) + 1 if len(file.data) > CHUNK else 0
        begun = [row for row in file.rows if row.line is not None and row.line <= end]
        counts = Counter(key for row in file.rows for key in row.values)
        early = {key for row in begun for key in row.values}
        for column in file.columns:
            if column in (FILE_NAME, caption):
                continue  # other rules speak of these, more severely
            missing = len(file.rows) - counts[column]
            late = begun and column not in early
            if not missing or (column == FOCUS and not late):
                continue  # none is what most pictures have
            first = next(row for row in file.rows if column not in row.values)
            yield Problem(
                f"{column} is missing in {missing} of {len(file.rows)} records; "
                + ("it comes too late, and is dropped from all" if late else "they load with None"),
                "give every record the same keys",
                *view.where(first),
                severity=Severity.ERROR if late else None,
            )


@DATASET_RULES.rule("D121", "Another file column comes before file_name", Severity.ERROR)
def column_order(view: Dataset) -> Iterator[Problem]:
    """With a column like mask_file_name written before file_name, the loader puts the picture into
    the wrong column and leaves `image` empty. Only the order of the keys decides.

    Example: {"mask_file_name": "a-mask.png", "file_name": "a.png"}
    Fix: write file_name first in every record.
    """
    for file in view.metadata:
        if FILE_NAME not in file.columns:
            continue
        before = file.columns[: file.columns.index(FILE_NAME)]
        clash = [column for column in before if column.endswith("_file_name")]
        if clash:
            yield Problem(
                f"{clash[0]} stands before file_name: the loader then loses the picture",
                "write file_name first",
                file.name,
                file.rows[0].line if file.rows else 1,
            )


@DATASET_RULES.rule("D122", "A CSV column has no name of its own", Severity.WARNING)
def nameless_column(view: Dataset) -> Iterator[Problem]:
    """Spreadsheets write columns that were once touched, pandas its index, without a name. The
    loader makes one up, and the viewer shows a column `Unnamed: 3`. Of two columns with the same
    name the second becomes `text.1`, and nobody reads it.

    Example: file_name,text,,
    Fix: remove the column, or give it a name.
    """
    for file in view.metadata:
        if file.nameless:
            yield Problem(
                f"{plural(len(file.nameless), 'column')} without a name of"
                f" {'its' if len(file.nameless) == 1 else 'their'} own;"
                f" the loader says {some(file.nameless)}",
                "remove what is empty, name the others",
                file.name,
                1,
            )


@DATASET_RULES.rule("D127", "A crop focus is no point", Severity.ERROR)
def no_focus(view: Dataset) -> Iterator[Problem]:
    """The column crop_focus says around which point of a picture the training crop is laid: [x, y],
    shares of the width from the left and of the height from the top of the upright picture.
    Pictures without one have null, or lack the key. Training stops at anything else; other trainers
    do not read the column.

    Example: {"file_name": "a.png", "text": "a cat", "crop_focus": [340, 80]}
    Fix: write two numbers from 0 to 1, e.g. [0.5, 0.2], or null.
    """
    for file in view.metadata:
        for row in file.rows if FOCUS in file.columns else ():
            try:
                focus_of(row.values.get(FOCUS))
            except ValueError as error:
                value = shortened(repr(row.values[FOCUS]))
                yield Problem(
                    f"{FOCUS} is {value}: {error}",
                    HOW,
                    *view.where(row),
                )
