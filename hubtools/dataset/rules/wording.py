"""D511 on: what the captions say together, and what they leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.text.phrases import ENOUGH, HEADS, common_phrases, constants
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity, shortened


@DATASET_RULES.rule("D511", "The shot plan is not met", Severity.WARNING)
def plan(view: Dataset) -> Iterator[Problem]:
    """`[dataset.plan]` says how many pictures of which shots there should be. What is shown from
    one side only is learnt from one side only: the LoRA then guesses the others. Too many of one
    shot make it the rule, and are told as a note.

    Which shot a picture is, a column says (`view`, `angle`, ...; dataset.view_column), else the
    words of its caption: front view, three-quarter view from the left, right side profile, from
    behind, portrait, head shot, upper body, full body. Other names of the plan are looked for as
    they are.

    Example: plan = "subject", and no picture in profile
    Fix: take the pictures that are missing, or say in the captions which shots they are.
    """
    entries, unplanned = view.coverage
    for entry in entries:
        name, count = entry.name.replace("_", " "), len(entry.pictures)
        if entry.missing:
            said = f"{plural(count, 'picture')} of {name}" if count else f"no picture of {name}"
            yield Problem(
                f"{said}, and the plan wants {_range(entry.low, entry.high)}",
                f"take {entry.missing} more, or say {name!r} in the captions of those there are",
            )
        elif entry.surplus:
            yield Problem(
                f"{plural(count, 'picture')} of {name}, and the plan wants"
                f" {_range(entry.low, entry.high)}",
                f"leave {entry.surplus} out, so that this shot does not become the rule",
                severity=Severity.INFO,
            )
    if unplanned and any(entry.missing for entry in entries):
        yield Problem(
            f"{plural(len(unplanned), 'picture')} {'is' if len(unplanned) == 1 else 'are'} none of"
            f" the plan's shots: {some(unplanned)}",
            "say in their captions, or in a column view, which shots they are",
            severity=Severity.INFO,
        )


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"{low} or more"
    return str(low) if low == high else f"{low} to {high}" if low else f"{high} at most"


# The share of rows from which on one caption is too many, and the rows that a share means much of.
_SHARE, _ROWS = 0.3, 10


@DATASET_RULES.rule("D512", "Many pictures share one caption", Severity.WARNING)
def one_for_many(view: Dataset) -> Iterator[Problem]:
    """More than three of ten records have the very same caption and the others have their own: a
    tool has filled in what it could not describe, or somebody has stopped half-way. (The same
    caption everywhere can be meant, a pure trigger caption; D506 tells of it.)

    Example: "a photo" for 40 of 100 pictures
    Fix: describe those pictures.
    """
    captions = view.captions
    if len(captions) < _ROWS:
        return
    counts = Counter(" ".join(caption.split()) for _, caption in captions)
    caption, count = counts.most_common(1)[0]
    if _SHARE * len(captions) < count < len(captions):
        row = next(row for row, text in captions if " ".join(text.split()) == caption)
        yield Problem(
            f"{count} of {len(captions)} records ({count / len(captions):.0%}) have the caption"
            f" {shortened(caption)!r}",
            "describe those pictures",
            *view.where(row),
        )


# What many captions have in common, these show as well, in a moment.
_SAMPLE = 5_000


def _looked_at(view: Dataset) -> list[str]:
    """All captions, or of a great many some from everywhere."""
    step = -(-len(view.captions) // _SAMPLE) or 1
    return [caption for _, caption in view.captions[::step]]


@DATASET_RULES.rule("D513", "The same words are in every caption", Severity.INFO)
def in_all(view: Dataset) -> Iterator[Problem]:
    """What every caption says beside the trigger cannot be told apart from it: the LoRA spreads
    the subject over those words too, and prompts without them get less of it. Words that the
    captions should not name at all (the subject's own hair, face, build) do the same.

    Words like photo and portrait, and the kind of thing right behind the trigger ("(tok) woman"),
    are left out. dataset.common_share = 0.9 looks for what nine of ten captions say.

    Example: "(tok), red hair, smiling" and "(tok), red hair, in the rain": red hair
    Fix: leave the words out of all captions, or out of those pictures of which they are not true.
    """
    captions = _looked_at(view)
    trigger, share = view.settings.trigger, view.settings.common_share
    told = {word for one in constants(captions, trigger) for word in one.value.split()}
    nouns = view.settings.class_noun.lower().split()
    for common in common_phrases(captions, trigger, share, nouns):
        if set(common.phrase.split()) <= told | HEADS | {"a", "an", "the", "her", "his"}:
            continue  # D514 speaks of it
        where = "every caption" if common.share == 1 else f"{common.share:.0%} of the captions"
        if len(captions) < len(view.captions):
            where += f" of {len(captions):,} that were looked at"
        yield Problem(
            f"{common.phrase!r} is in {where}: it is learnt as part of the trigger",
            "leave it out of the captions, if it does not tell the pictures apart",
        )


# Columns of which one value is to be expected.
_TECHNICAL = frozenset(
    [
        "license", "licence", "source", "author", "artist", "creator", "copyright", "url", "link",
        "split", "dataset", "set", "width", "height", "size", "format", "language", "lang",
        "model", "version", "seed", "date", "created", "mode", "type", "id", "category", "label",
        "class", "subject", "name", "rights", "credit", "camera",
    ]
)  # fmt: skip


@DATASET_RULES.rule("D514", "An attribute never varies", Severity.INFO)
def never_varied(view: Dataset) -> Iterator[Problem]:
    """The background, the clothes, the expression or the light are the same in all captions that
    tell them, or a column of the metadata has one value only. The LoRA takes what never varies for
    a part of its subject, and draws it where nobody asked for it.

    Example: every caption says "white background"
    Fix: add pictures with other values; three or four are enough to set the subject free from it.
    """
    trigger = view.settings.trigger
    captions = _looked_at(view)
    for one in constants(captions, trigger):
        yield Problem(
            f"the {one.attribute} is {one.value!r} in all {one.told} captions that tell it",
            "add pictures with other values",
        )
    for file in view.metadata:
        if len(file.rows) < ENOUGH:
            continue
        for column in file.columns:
            name = column.lower().strip()
            if (
                name in (FILE_NAME, view.settings.caption_column.lower())
                or name.endswith(("_file_name", "_id"))
                or name in _TECHNICAL
            ):
                continue
            first = file.rows[0].values.get(column)
            if not isinstance(first, (str, int, float)) or not str(first).strip():
                continue
            if all(row.values.get(column) == first for row in file.rows):
                yield Problem(
                    f"{column} is {shortened(str(first))!r} in all {len(file.rows)} records",
                    "add pictures with other values, or remove a column that says nothing",
                    file.name,
                )
