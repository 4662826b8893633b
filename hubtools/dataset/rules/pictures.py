"""D3xx: the picture files. D4xx: pictures that are the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from hubtools.dataset.probe import ENDINGS, MAX_PIXELS, PictureFacts
from hubtools.dataset.rules.book import DATASET_RULES, some
from hubtools.dataset.view import DatasetView
from hubtools.findings import Problem, Severity


def _whole(view: DatasetView) -> Iterator[PictureFacts]:
    for facts in view.pictures.values():
        if facts.problem is None and not facts.too_large:
            yield facts


@DATASET_RULES.rule("D301", "A picture is damaged", Severity.ERROR)
def damaged(view: DatasetView) -> Iterator[Problem]:
    """A cut-off file stops the trainer when it comes to it; a JPEG with flipped bits decodes to
    garbage in most programs, and is learnt.

    Fix: export it again from the original.
    """
    for facts in view.pictures.values():
        if facts.problem and facts.kind is None:
            yield Problem(
                f"the picture cannot be read whole: {facts.problem}",
                "export it again from the original",
                facts.name,
            )


@DATASET_RULES.rule("D302", "A file is no picture", Severity.ERROR)
def no_picture(view: DatasetView) -> Iterator[Problem]:
    """The name says picture, the bytes say otherwise: a Git LFS pointer (the real file was never
    fetched), a web page saved by a failed download, an empty file.

    Fix: fetch the real file (`git lfs pull`), or remove it.
    """
    for facts in view.pictures.values():
        if facts.problem and facts.kind is not None:
            lfs = "LFS" in facts.kind
            yield Problem(
                f"this is {facts.kind}, not a picture",
                "fetch the real file: `git lfs pull`" if lfs else "replace or remove it",
                facts.name,
            )


@DATASET_RULES.rule("D303", "Ending and content disagree", Severity.WARNING)
def wrong_ending(view: DatasetView) -> Iterator[Problem]:
    """Loaders look at the content and get along; browsers, web forms and other trainers go by the
    name.

    Fix: rename it.
    """
    for facts in _whole(view):
        fitting = ENDINGS.get(facts.format or "")
        ending = "." + facts.name.rpartition(".")[2].lower()
        if fitting and ending not in fitting:
            proper = sorted(fitting, key=len)[0]
            yield Problem(
                f"the content is {facts.format}, the name says {ending}",
                f"rename it to {proper}",
                facts.name,
            )


@DATASET_RULES.rule("D304", "A picture is smaller than the training resolution", Severity.WARNING)
def too_small(view: DatasetView) -> Iterator[Problem]:
    """Training enlarges it, and the LoRA learns the blur: results look low-resolution.

    Fix: use a larger original, or train at a lower resolution.
    """
    for facts in _whole(view):
        side = min(facts.width, facts.height)
        if side < view.resolution:
            yield Problem(
                f"{facts.width}x{facts.height} is smaller than the training resolution"
                f" {view.resolution}; it would be enlarged",
                "use a larger original, or lower train.resolution",
                facts.name,
                severity=Severity.ERROR if side < 32 else None,
            )


@DATASET_RULES.rule("D305", "A picture is partly transparent", Severity.WARNING)
def alpha(view: DatasetView) -> Iterator[Problem]:
    """Most trainers drop transparency and show whatever colour hides beneath, often black.
    hubtools lays it over white.

    Fix: put it on the background you want.
    """
    for facts in _whole(view):
        if facts.transparent:
            yield Problem(
                f"the picture ({facts.mode}) has transparency; other trainers show what hides"
                " beneath it",
                "put it on a background",
                facts.name,
            )


@DATASET_RULES.rule("D306", "A picture has a palette", Severity.WARNING)
def palette(view: DatasetView) -> Iterator[Problem]:
    """At most 256 colours: banding and dithering are learnt as looks.

    Fix: use the original in full colour.
    """
    for facts in _whole(view):
        if facts.mode in ("P", "PA", "1") and not facts.transparent:
            yield Problem(
                "the picture has at most 256 colours", "use the original in full colour", facts.name
            )


@DATASET_RULES.rule("D307", "A picture is made for print", Severity.WARNING)
def cmyk(view: DatasetView) -> Iterator[Problem]:
    """CMYK, YCCK and Lab are converted without their colour profile; colours shift.

    Fix: export it as RGB (sRGB).
    """
    for facts in _whole(view):
        if facts.mode in ("CMYK", "YCCK", "LAB", "HSV"):
            yield Problem(
                f"the picture is {facts.mode}; colours shift when it is converted",
                "export it as RGB",
                facts.name,
            )


@DATASET_RULES.rule("D308", "A picture has more than 8 bits a channel", Severity.ERROR)
def deep(view: DatasetView) -> Iterator[Problem]:
    """16-bit and float grey pictures are clipped by a plain conversion: 16 bit becomes white, float
    becomes black. hubtools scales them; the Hub's viewer and other trainers do not.

    Fix: export it with 8 bits a channel.
    """
    for facts in _whole(view):
        if facts.mode.startswith("I") or facts.mode == "F":
            yield Problem(
                f"the picture has mode {facts.mode}; most trainers would see it white or black",
                "export it with 8 bits a channel",
                facts.name,
            )


@DATASET_RULES.rule("D309", "A picture is stored rotated", Severity.WARNING)
def rotated(view: DatasetView) -> Iterator[Problem]:
    """The EXIF orientation turns it upright in a viewer. `datasets` and hubtools honour it; kohya's
    sd-scripts and others train on it lying down.

    Fix: rotate the pixels and drop the tag (`mogrify -auto-orient FILE`).
    """
    for facts in _whole(view):
        if facts.orientation != 1:
            yield Problem(
                f"EXIF orientation {facts.orientation}: some trainers see the picture turned",
                "rotate the pixels and drop the tag",
                facts.name,
            )


@DATASET_RULES.rule("D310", "A picture has several frames", Severity.WARNING)
def animated(view: DatasetView) -> Iterator[Problem]:
    """Of an animation or a multi-page file only the first frame is used.

    Fix: export the frame you mean.
    """
    for facts in _whole(view):
        if facts.frames > 1:
            yield Problem(
                f"only the first of {facts.frames} frames is used",
                "export the frame you mean",
                facts.name,
            )


@DATASET_RULES.rule("D311", "A picture is absurdly large", Severity.ERROR)
def bomb(view: DatasetView) -> Iterator[Problem]:
    """Pillow refuses to decode it (a small file can unpack to gigabytes), and the trainer stops.

    Fix: scale it down.
    """
    for facts in view.pictures.values():
        if facts.too_large:
            yield Problem(
                f"{facts.width}x{facts.height} is beyond {MAX_PIXELS:,} pixels",
                "scale it down",
                facts.name,
            )


@DATASET_RULES.rule("D312", "A picture is very long or very wide", Severity.WARNING)
def aspect(view: DatasetView) -> Iterator[Problem]:
    """Training cuts a square out of it; more than half of the picture, perhaps the subject, is
    never seen.

    Fix: crop it yourself.
    """
    for facts in _whole(view):
        short, long = sorted((facts.width, facts.height))
        if short and long / short > 2.5:
            yield Problem(
                f"{facts.width}x{facts.height}: only {short / long:.0%} of it fits the square crop",
                "crop it yourself",
                facts.name,
            )


@DATASET_RULES.rule("D401", "Pictures are exactly the same", Severity.ERROR)
def exact_duplicates(view: DatasetView) -> Iterator[Problem]:
    """The same file under two names is trained twice as much, often with two captions that
    contradict each other.

    Fix: keep one.
    """
    by_digest: dict[str, list[str]] = defaultdict(list)
    for facts in view.pictures.values():
        if facts.digest and facts.bytes:
            by_digest[facts.digest].append(facts.name)
    for names in by_digest.values():
        if len(names) > 1:
            first, *rest = sorted(names)
            yield Problem(f"the same picture as {some(rest)}", "keep one of them", first)
