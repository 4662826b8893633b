"""D4xx: pictures that are the same, or nearly."""

from __future__ import annotations

from collections.abc import Iterator
from glob import escape
from shlex import quote

from hubtools.dataset.copies.compare import Grade
from hubtools.dataset.copies.duplicates import Copy, Group
from hubtools.dataset.pictures.appearance import TURNS
from hubtools.dataset.rules.book import DATASET_RULES, some
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity

_UNLESS_MEANT = "keep one of them, unless the difference is meant"
_TURNED = "--mirrored-copies finds mirrored and rotated copies, too"


def _copies(
    view: Dataset, *grades: Grade, turned: bool = False
) -> Iterator[tuple[Group, list[Copy]]]:
    for group in view.groups:
        copies = [c for c in group.copies if c.grade in grades and (c.turn != 1) is turned]
        if copies:
            yield group, copies


def _size(view: Dataset, name: str) -> str:
    facts = view.pictures[name]
    return "{} ({}x{})".format(name, *facts.upright_size)


def _keep(view: Dataset, best: str, copies: list[Copy]) -> str:
    """Which of them to keep; its caption may have to come from another."""
    if not view.pictures[best].width:  # none of them is a picture that can be opened
        if "LFS" in str(view.pictures[best].kind):
            return "fetch the real files: `git lfs pull`"
        return "remove them all, or put the picture itself in the place of one"
    captioned = view.captioned.intersection([best, *_names(copies)])
    advice = f"keep {_size(view, best)}, remove {some(_names(copies))}"
    if captioned and best not in captioned:
        advice += f"; take the caption from {min(captioned)}"
    return advice


def _typed(view: Dataset, best: str, copies: list[Copy]) -> str:
    """The command that does so; none where a caption would be lost."""
    captioned = view.captioned
    if not view.pictures[best].width or (best not in captioned and captioned & {*_names(copies)}):
        return ""
    name = quote(escape(copies[0].name if len(copies) == 1 else best))
    return f": `hubtools fix --only {name} --unsafe delete-near-duplicates`"


def _names(copies: list[Copy]) -> list[str]:
    return [copy.name for copy in copies]


@DATASET_RULES.rule("D401", "Two picture files are identical", Severity.ERROR)
def exact(view: Dataset) -> Iterator[Problem]:
    """The same file under two names is trained twice as much, often with two captions that
    contradict each other.

    Fix: keep one.
    """
    for group, copies in _copies(view, Grade.BYTES):
        yield Problem(
            f"the same picture as {some(_names(copies))}",
            _keep(view, group.best, copies),
            group.best,
        )


@DATASET_RULES.rule("D402", "Pictures have the same pixels", Severity.ERROR)
def same_pixels(view: Dataset) -> Iterator[Problem]:
    """Two files differ in their bytes, but not in a single pixel: one was saved again, or lost its
    EXIF data. The picture is trained twice as much.

    Example: a.png, and a.bmp that was converted from it
    Fix: keep one.
    """
    for group, copies in _copies(view, Grade.PIXELS):
        yield Problem(
            f"pixel by pixel the same picture as {some(_names(copies))}",
            _keep(view, group.best, copies),
            group.best,
        )


@DATASET_RULES.rule("D403", "A picture is a near duplicate of another", Severity.WARNING)
def near(view: Dataset) -> Iterator[Problem]:
    """The same picture at another size, quality or brightness: it is trained twice as much, and
    the worse copy pulls the better one down. Copies are found by a perceptual hash and compared
    pixel by pixel before they are told. Pictures that are the same but for a part (a watermark,
    another expression) may be meant so, and give a note only. Mirrored and rotated copies are
    looked for with --mirrored-copies (dataset.mirrored_copies) only, and are D405.

    Fix: keep the best; `hubtools fix --only PICTURE --unsafe delete-near-duplicates` removes one
    copy with its record; dataset.near_radius = -1 if they are meant to be there.
    """
    more = "" if view.settings.mirrored_copies else f"; {_TURNED}"
    for group, copies in _copies(view, Grade.COPY):
        yield Problem(
            f"nearly the same picture as {some(_names(copies))}",
            f"{_keep(view, group.best, copies)}{_typed(view, group.best, copies)}{more}",
            group.best,
        )
        more = ""  # said once
    for group, copies in _copies(view, Grade.ALIKE):
        yield Problem(
            f"the same as {some(_names(copies))}, but for a part",
            _UNLESS_MEANT,
            group.best,
            severity=Severity.INFO,
        )


@DATASET_RULES.rule("D404", "A picture is in two splits", Severity.ERROR)
def across_splits(view: Dataset) -> Iterator[Problem]:
    """What is trained on must not be tested on: the test then rewards learning by heart, and its
    numbers mean nothing. Copies count as the same picture.

    Fix: remove it from one of the splits.
    """
    splits = view.splits_of
    for group in view.groups if splits else ():
        names = [group.best, *(c.name for c in group.copies if c.grade >= Grade.COPY)]
        found = {split: name for name in reversed(names) for split in splits.get(name, ())}
        if len(found) > 1:
            places = ", ".join(f"{split} ({name})" for split, name in sorted(found.items()))
            yield Problem(
                f"the same picture is in {places}", "remove it from all but one split", group.best
            )


@DATASET_RULES.rule("D405", "A picture is a mirrored or rotated copy of another", Severity.WARNING)
def mirrored(view: Dataset) -> Iterator[Problem]:
    """Looked for with --mirrored-copies (dataset.mirrored_copies) only. Mirrored copies teach that
    a parting, a scar or a logo may be on either side; random_flip does the same to all pictures, if
    it is wanted. Those that are the same but for a part are a note.

    Example: a.png, and a-mirrored.png that was made of it to have more pictures
    Fix: keep the one that is right.
    """
    for group, copies in _copies(view, Grade.COPY, Grade.PIXELS, turned=True):
        yield Problem(
            f"the same picture as {some(_names(copies))}, {_how(copies)}",
            _keep(view, group.best, copies),
            group.best,
        )
    for group, copies in _copies(view, Grade.ALIKE, turned=True):
        yield Problem(
            f"the same as {some(_names(copies))}, {_how(copies)}, but for a part",
            _UNLESS_MEANT,
            group.best,
            severity=Severity.INFO,
        )


def _how(copies: list[Copy]) -> str:
    return " or ".join(sorted({TURNS[copy.turn] for copy in copies}))


@DATASET_RULES.rule(
    "D406", "A picture may be a crop or a watermarked copy of another", Severity.INFO
)
def likely(view: Dataset) -> Iterator[Problem]:
    """Crops and pictures with a watermark have other hashes than their originals. Where
    dataset.embeddings names a vision model, pictures are told that look more alike to it than
    others of the set do, and whose grey levels agree where one is laid over the other. It may be
    two shots of one thing all the same: look at both.

    Example: photo.jpg, and photo-detail.jpg, which shows four fifths of it
    Fix: keep one, if they are the same.
    """
    for pair in view.likenesses:
        yield Problem(
            f"it may be a part or a marked copy of {pair.other}, or that one of it (they agree to"
            f" {pair.agree:.0%})",
            "look at both; keep one if they are the same",
            pair.one,
        )
