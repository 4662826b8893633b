"""D3xx: the picture files, one by one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from hubtools.causes import advice_on
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, Entry
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.pictures.formats import ENDINGS, HEIC, proper_ending
from hubtools.dataset.pictures.probe import MAX_PIXELS
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.rules.book import DATASET_RULES
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity

# Pillow's modes of print, and of more than 8 bits a channel.
_PRINT = ("CMYK", "YCCK", "LAB", "HSV")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")

# Sharpness of the sharpest of 64 tiles as a share of the contrast squared. Photographs, drawings
# and scans that are in focus have 0.14 and more; after a Gaussian blur of a hundredth of their
# short side most have less than 0.04, and after one of twice that all but rough textures.
_BLURRED, _SOFT = 0.02, 0.04
# Levels, 0 to 255. Night and high-key pictures stay within, line drawings by their contrast.
_CONTRAST, _FAINT, _ONE_COLOUR = 8.0, 12.0, 3.0
_DARK, _LIGHT = 50, 212
# Pixels; smaller pictures have no small copy in which fine and coarse can be told apart.
_ENOUGH = 128

# How systems call a screenshot in the languages that are spoken most; a number, mostly the date,
# or nothing follows.
_SCREENSHOT = re.compile(
    r"(screen ?shot|screen ?capture|screen ?grab|bildschirmfoto|bildschirmabbildung"
    r"|capture d['’]écran|captura de (pantalla|tela|ecrã)|schermata|schermafbeelding|zrzut ekranu"
    r"|снимок экрана|skärmavbild|skærmbillede|skjermbilde|näyttökuva|ekran görüntüsü"
    r"|スクリーンショット|屏幕截图|屏幕快照|截屏|截图|螢幕截圖|스크린샷)"
    r"([ _-]*(from|vom|du|de|del|da|van|od|от|z))?[ _(-]*(\d.*)?",
)


def _whole(
    view: Dataset, wanted: Callable[[PictureTable], Any], *, every: bool = False
) -> Iterator[PictureFacts]:
    """Pictures that can be decoded and for which `wanted` says true; it is given the columns, so
    that a million pictures are passed over in a moment. Those to learn, unless `every` one is
    asked for: edges, depths, poses and masks are meant to be dark, grey or of few colours."""
    table = view.table if every else view.learnt
    return table.select(table.whole & wanted(table)) if len(table) else iter(())


def _size(facts: PictureFacts) -> str:
    """As it is seen."""
    return "{}x{}".format(*facts.upright_size)


@DATASET_RULES.rule("D301", "A picture is damaged", Severity.ERROR)
def damaged(view: Dataset) -> Iterator[Problem]:
    """A cut-off file stops the trainer when it comes to it; a JPEG with flipped bits decodes to
    garbage in most programs, and is learnt.

    Fix: export it again from the original.
    """
    table = view.table
    for facts in table.select(~table.has("problem", None) & table.has("kind", None)):
        yield Problem(
            f"the picture cannot be read whole: {facts.problem}",
            advice_on(facts.problem or "") or "export it again from the original",
            facts.name,
        )


@DATASET_RULES.rule("D302", "A file is not a picture", Severity.ERROR)
def no_picture(view: Dataset) -> Iterator[Problem]:
    """The name says picture, the bytes say otherwise: a Git LFS pointer (the real file was never
    fetched), a web page saved by a failed download, an empty file. Of a picture that loaders do not
    know, such as .heic, D208 tells.

    Example: a.png that begins with "version https://git-lfs.github.com/spec/v1"
    Fix: fetch the real file (`git lfs pull`), or remove it.
    """
    table = view.table
    for facts in table.select(~table.has("problem", None) & ~table.has("kind", None)):
        if facts.kind == HEIC and Entry(facts.name, 0, 0).ending in FOREIGN_ENDINGS:
            continue
        lfs = "LFS" in str(facts.kind)
        yield Problem(
            f"this is {facts.kind}, not a picture",
            "fetch the real file: `git lfs pull`" if lfs else "replace or remove it",
            facts.name,
        )


@DATASET_RULES.rule("D303", "Ending and content disagree", Severity.WARNING)
def wrong_ending(view: Dataset) -> Iterator[Problem]:
    """Loaders look at the content and get along; browsers, web forms and other trainers go by the
    name.

    Example: a.png that a web browser saved as WebP
    Fix: rename it.
    """
    table = view.table
    for format, fitting in ENDINGS.items():
        wrong = table.whole & table.has("format", format)
        if not wrong.any():
            continue
        for facts in table.select(wrong & ~table.named(tuple(fitting))):
            ending = Entry(facts.name, 0, 0).ending
            said = f"the name says {ending}" if ending.strip(". ") else "the name has no ending"
            said = f"the name says {ending!r}" if ending != ending.strip() else said
            yield Problem(
                f"the content is {format}, {said}",
                _named_after(format),
                facts.name,
            )


def _named_after(format: str) -> str:
    ending = proper_ending(format)
    if ending in FOREIGN_ENDINGS:  # under that name no loader would take it
        return "convert it to PNG: `hubtools fix --unsafe convert`"
    return f"rename it to {ending}"


@DATASET_RULES.rule("D304", "A picture is smaller than the training resolution", Severity.WARNING)
def too_small(view: Dataset) -> Iterator[Problem]:
    """Training enlarges it, and the LoRA learns the blur: results look low-resolution. The size is
    `--resolution` or train.resolution if one of them is set, else what the model of dataset.target,
    or the base model, was made for. Training with aspect_ratio_buckets enlarges nothing: it trains
    such a picture at the size that it has. One of less than 32 pixels is an error.

    Example: 300x200 where training is at 512: enlarged 2.6 times
    Fix: use a larger original, or train at a lower resolution or with --aspect-ratio-buckets.
    """
    own = view.target.title if view.target and view.target.size == view.resolution else None
    for facts in _whole(view, lambda table: table.short < view.resolution):
        yield Problem(
            f"{_size(facts)} is smaller than the training resolution"
            f" {view.resolution}{f' of {own}' if own else ''}; cut to a square it would be"
            " enlarged",
            "use a larger original, lower train.resolution, or train with --aspect-ratio-buckets",
            facts.name,
            severity=Severity.ERROR if min(facts.width, facts.height) < 32 else None,
        )


@DATASET_RULES.rule("D305", "A picture is partly transparent", Severity.WARNING)
def alpha(view: Dataset) -> Iterator[Problem]:
    """Most trainers drop transparency and show whatever colour hides beneath, often black.
    hubtools lays it over white.

    Fix: put it on the background you want.
    """
    for facts in _whole(view, lambda table: table.column("transparent")):
        yield Problem(
            f"the picture ({facts.mode}) has transparency; other trainers show what hides"
            " beneath it",
            "put it on a background",
            facts.name,
        )


@DATASET_RULES.rule("D306", "A picture has a palette", Severity.WARNING)
def palette(view: Dataset) -> Iterator[Problem]:
    """At most 256 colours: banding and dithering are learnt as looks.

    Fix: use the original in full colour.
    """
    for facts in _whole(
        view, lambda table: table.has("mode", "P", "PA", "1") & ~table.column("transparent")
    ):
        yield Problem(
            "the picture has at most 256 colours", "use the original in full colour", facts.name
        )


@DATASET_RULES.rule("D307", "A picture is in the colours of print (CMYK)", Severity.WARNING)
def cmyk(view: Dataset) -> Iterator[Problem]:
    """CMYK, YCCK and Lab are converted without their colour profile; colours shift.

    Fix: export it as RGB (sRGB).
    """
    for facts in _whole(view, lambda table: table.has("mode", *_PRINT)):
        yield Problem(
            f"the picture is {facts.mode}; colours shift when it is converted",
            "export it as RGB",
            facts.name,
        )


@DATASET_RULES.rule("D308", "A picture has more than 8 bits a channel", Severity.ERROR)
def deep(view: Dataset) -> Iterator[Problem]:
    """16-bit and float grey pictures are clipped by a plain conversion: 16 bit becomes white, float
    becomes black. hubtools scales them; the Hub's viewer and other trainers do not.

    Fix: export it with 8 bits a channel.
    """
    for facts in _whole(view, lambda table: table.has("mode", *_DEEP), every=True):
        yield Problem(
            f"the picture has mode {facts.mode}; most trainers would see it white or black",
            "export it with 8 bits a channel",
            facts.name,
        )


@DATASET_RULES.rule("D309", "A picture is stored rotated", Severity.WARNING)
def rotated(view: Dataset) -> Iterator[Problem]:
    """The EXIF orientation turns it upright in a viewer. `datasets` and hubtools honour it; kohya's
    sd-scripts and others train on it lying down.

    Fix: rotate the pixels and drop the tag (`mogrify -auto-orient FILE`).
    """
    for facts in _whole(view, lambda table: table.column("orientation") != 1, every=True):
        yield Problem(
            f"EXIF orientation {facts.orientation}: some trainers see the picture turned",
            "rotate the pixels and drop the tag",
            facts.name,
        )


@DATASET_RULES.rule("D310", "A picture has several frames", Severity.WARNING)
def animated(view: Dataset) -> Iterator[Problem]:
    """Of an animation or a multi-page file only the first frame is used.

    Fix: export the frame you mean.
    """
    for facts in _whole(view, lambda table: table.column("frames") > 1, every=True):
        yield Problem(
            f"only the first of {facts.frames} frames is used",
            "export the frame you mean",
            facts.name,
        )


@DATASET_RULES.rule("D311", "A picture has too many pixels", Severity.ERROR)
def bomb(view: Dataset) -> Iterator[Problem]:
    """Pillow refuses to decode it (a small file can unpack to gigabytes), and the trainer stops.

    Fix: scale it down.
    """
    for facts in view.table.select(view.table.column("too_large")):
        yield Problem(
            f"{_size(facts)} is beyond {MAX_PIXELS:,} pixels",
            "scale it down",
            facts.name,
        )


@DATASET_RULES.rule("D312", "A picture is very long or very wide", Severity.WARNING)
def aspect(view: Dataset) -> Iterator[Problem]:
    """Training cuts a square out of it; more than half of the picture, perhaps the subject, is
    never seen.

    Example: 1600x500: only 31 % of it fits the square
    Fix: crop it yourself.
    """
    for facts in _whole(view, lambda table: table.long > 2.5 * table.short):
        short, long = sorted((facts.width, facts.height))
        yield Problem(
            f"{_size(facts)}: only {short / long:.0%} of it fits the square crop",
            "crop it yourself",
            facts.name,
        )


@DATASET_RULES.rule("D313", "A picture is blurry", Severity.WARNING)
def blurry(view: Dataset) -> Iterator[Problem]:
    """Nowhere in the picture is there a sharp edge, not even in its sharpest part (a soft
    background behind a sharp subject is fine). The LoRA learns the softness as a trait of its
    subject. Where it is less certain, a note is all that is given.

    Fix: use a sharper picture.
    """

    def soft(table: PictureTable) -> Any:
        contrast = table.column("contrast")
        large = (table.short >= _ENOUGH) & (contrast >= _CONTRAST)
        return large & (table.column("crispness") < _SOFT * contrast**2)

    for facts in _whole(view, soft):
        sure = facts.crispness < _BLURRED * facts.contrast**2
        yield Problem(
            "nothing in the picture is sharp" if sure else "the picture may be out of focus",
            "use a sharper picture",
            facts.name,
            severity=None if sure else Severity.INFO,
        )


@DATASET_RULES.rule("D314", "A picture is nearly black or nearly white", Severity.WARNING)
def extreme(view: Dataset) -> Iterator[Problem]:
    """99 of 100 pixels are darker than a fifth, or lighter than five sixths, and what there is to
    see hardly stands out: an exposure that went wrong. The LoRA learns the murk.

    Fix: use a better exposed picture, or correct it from the original.
    """

    def murky(table: PictureTable) -> Any:
        faint = (table.column("contrast") >= _ONE_COLOUR) & (table.column("contrast") < _FAINT)
        dark = table.column("lightest") < _DARK
        return faint & (dark | (table.column("darkest") > _LIGHT))

    for facts in _whole(view, murky):
        dark = facts.lightest < _DARK
        yield Problem(
            f"the picture is nearly {'black' if dark else 'white'}"
            f" (mean brightness {facts.brightness:.0f} of 255)",
            "use a better exposed picture",
            facts.name,
        )


@DATASET_RULES.rule("D315", "A picture is of one colour", Severity.WARNING)
def empty(view: Dataset) -> Iterator[Problem]:
    """There is nothing to see: a failed download or export, a blank page. Its caption is learnt to
    mean nothing.

    Fix: remove it, or export it again.
    """
    for facts in _whole(
        view, lambda table: table.column("seen") & (table.column("contrast") < _ONE_COLOUR)
    ):
        yield Problem(
            "the picture is of one colour, nothing can be learnt from it",
            "remove it, or export it again",
            facts.name,
        )


@DATASET_RULES.rule("D316", "A picture has colours other than sRGB", Severity.WARNING)
def profile(view: Dataset) -> Iterator[Problem]:
    """A colour profile (Adobe RGB, Display P3, ProPhoto) says what the numbers mean. Trainers drop
    it and take them for sRGB: colours come out duller, and are learnt so.

    Fix: convert it to sRGB (`mogrify -profile sRGB.icc FILE`), or export it so.
    """
    for facts in _whole(view, lambda table: ~table.has("profile", "")):
        yield Problem(
            f"its colours are {facts.profile}; trainers take them for sRGB, and they fade",
            "convert it to sRGB",
            facts.name,
        )


@DATASET_RULES.rule("D317", "A picture is called a screenshot", Severity.INFO)
def screenshot(view: Dataset) -> Iterator[Problem]:
    """Systems call a screenshot so, in their language and with a date. It shows bars, icons and
    buttons beside what is meant, and they are learnt with it; a picture on a page is smaller
    there than it was made. Names are all that this goes by: wallpapers, renderings and frames of
    films have the sizes of screens, too.

    Example: Screenshot_20240131-101500.png
    Fix: crop it (`hubtools review`), use the picture that it shows, or leave it out. If screens are
    what is to be learnt, ignore this rule.
    """
    for entry in view.listing.pictures:
        stem = unicodedata.normalize("NFC", entry.base.rpartition(".")[0]).casefold()
        if _SCREENSHOT.fullmatch(stem):
            yield Problem(
                "it is called as screenshots are: bars and buttons in it would be learnt",
                "crop it (`hubtools review`), or use the picture that it shows",
                entry.name,
            )
