"""D5xx: what the captions say."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import unescape
from shlex import quote
from typing import Any

from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS
from hubtools.dataset.metadata import Row
from hubtools.dataset.metadata.roles import names_file, names_files
from hubtools.dataset.rows import texts_in
from hubtools.dataset.rules.book import DATASET_RULES, plural, some
from hubtools.dataset.text.blank import is_blank
from hubtools.dataset.text.codepages import Belief
from hubtools.dataset.text.mojibake import find_mojibake as wrongly_read
from hubtools.dataset.text.tokens import TokenCounter
from hubtools.dataset.text.trigger import has_word, one_for_all, other_case
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity, shortened
from hubtools.lorafile.trainer_files import trigger_in
from hubtools.patterns import regex

# Rules that look at each caption by itself, but for whether any other has the trigger.
OF_ONE_CAPTION = frozenset({"D502", "D503", "D504", "D505", "D507", "D508", "D509", "D515"})

# Words of what looks like a tag.
_TAG_WORDS = 2


_USUAL = ("text", "caption", "prompt", "description", "txt", "instruction")
_LOOKED_AT = 50  # rows
_PICTURES = tuple(PICTURE_ENDINGS | FOREIGN_ENDINGS)


def caption_columns(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Columns that captions may be in, the likeliest first: texts, and no names of files (a mask is
    no caption). Usual names come first, then those with the longest texts."""
    found: dict[str, int] = {}
    for name in columns:
        values = [row.get(name) for row in rows[:_LOOKED_AT]]
        texts = [value for value in values if isinstance(value, str) and value.strip()]
        named = sum(text.lower().endswith(_PICTURES) for text in texts)
        if texts and not names_file(name) and not names_files(name) and 2 * named < len(texts):
            found[name] = sum(map(len, texts)) // len(texts)
    usual = {name: place for place, name in enumerate(_USUAL)}
    return sorted(found, key=lambda name: (usual.get(name.lower(), len(usual)), -found[name]))


@DATASET_RULES.rule("D501", "The caption column does not exist", Severity.ERROR)
def no_caption_column(view: Dataset) -> Iterator[Problem]:
    """Training reads the captions from the column that `caption_column` names. If it does not
    exist, nothing can be trained; diffusers' scripts fall back to the second column of the
    metadata, whatever it is.

    Fix: set dataset.caption_column to one of the columns, or rename the column.
    """
    column = view.settings.caption_column
    for file in view.metadata if view.settings.instance_prompt is None else ():
        if not file.rows or column in file.columns:
            continue
        others = caption_columns(file.columns, [row.values for row in file.rows])
        yield Problem(
            f"there is no column {column!r} (columns: {', '.join(file.columns)})",
            f"set dataset.caption_column = {others[0]!r} in hubtools.toml, or --caption-column"
            if others
            else f"write the captions into a column {column}",
            file.name,
            file.rows[0].line,
        )


@DATASET_RULES.rule("D502", "A caption is empty", Severity.ERROR)
def empty_caption(view: Dataset) -> Iterator[Problem]:
    """A picture without a caption is learnt without words, or crashes the trainer (None). The
    words NA, None, null and nan are read as nothing in CSV files.

    Fix: describe the picture: `hubtools review` is a page to write on, `hubtools caption` writes
    captions where there are none, from a template or by a model.
    """
    column = view.settings.caption_column
    like = quote(one_for_all(view.settings))
    fix = f"describe the picture: `hubtools review`, or `hubtools caption --template {like}`"
    for file in view.metadata if view.settings.instance_prompt is None else ():
        if column not in file.columns:
            continue  # D501 speaks of it
        for row in file.rows:
            value = row.values.get(column)
            texts = value if isinstance(value, list) else [value]
            if len(texts_in(value)) == len(texts) > 0:
                continue
            if not all(text is None or isinstance(text, str) for text in texts):
                continue  # D508
            blank = next((text for text in texts if text is None or is_blank(text)), None)
            said = "absent" if blank is None else "empty" if not blank.strip() else f"{blank!r}"
            yield Problem(f"the caption is {said}", fix, *view.where(row))


@DATASET_RULES.rule("D503", "A caption is longer than the text encoder reads", Severity.WARNING)
def too_long(view: Dataset) -> Iterator[Problem]:
    """CLIP, the text encoder of Stable Diffusion and SDXL, reads 77 tokens, two of which mark
    beginning and end. What comes after the 75th is cut off in silence, in training and in prompts.
    Models with a second, wider encoder (T5 of Stable Diffusion 3 and FLUX.1) hear the rest from
    that one only, which is a note. How much is read follows dataset.target, else the base model.

    Tokens are counted by the base's own tokenizer where it is on this machine, by CLIP's vocabulary
    for CLIP, and else estimated, which the finding says.

    Fix: shorten the caption; put what matters first.
    """
    widest = view.counter
    narrow = [counter for counter in view.counters if counter.room < widest.room]
    least = min(counter.room for counter in view.counters)
    for row, caption in view.captions:
        # A token is at least one byte: most captions need no counting.
        if len(caption.encode()) <= least:
            continue
        if (count := widest.count(caption)) > widest.limit:
            yield Problem(
                f"the caption has {_about(widest)}{count} tokens and {widest.room} are read; the"
                " end is cut off",
                "shorten it",
                *view.where(row),
            )
            continue
        for counter in narrow:
            if (count := counter.count(caption)) > counter.limit:
                yield Problem(
                    f"the caption has {_about(counter)}{count} tokens for {counter.encoder.name},"
                    f" which reads {counter.room}; only {widest.encoder.name} reads the end",
                    "put what matters first",
                    *view.where(row),
                    severity=Severity.INFO,
                )


def _about(counter: TokenCounter) -> str:
    return "" if counter.exact else "about "


def _trigger_problem(caption: str, trigger: str) -> str | None:
    if trigger not in caption:
        return "lacks"
    return None if has_word(caption, trigger) else "hides"


@DATASET_RULES.rule("D504", "A caption lacks the trigger", Severity.WARNING)
def no_trigger(view: Dataset) -> Iterator[Problem]:
    """Prompts name the subject by its trigger. Pictures captioned without it teach the subject to
    the words around it instead. Where no caption at all has it, that is an error: nothing would be
    bound to it.

    Fix: put dataset.trigger into the caption.
    """
    trigger = view.settings.trigger
    if not trigger:
        return
    without = [row for row, text in view.captions if _trigger_problem(text, trigger) == "lacks"]
    if not without:
        return
    if len(without) == len(view.captions):
        others = Counter(filter(None, (other_case(text, trigger) for _, text in view.captions)))
        said, fix = "nothing would be bound to it", "correct dataset.trigger"
        if others:
            ((other, count),) = others.most_common(1)
            said = f"{count} of them say {other!r}, which some models take for another word"
            fix = f"set dataset.trigger = {other!r} in hubtools.toml"
        yield Problem(
            f"no caption has the trigger {trigger!r}: {said}",
            f"{fix}, or put it into the captions",
            *view.where(without[0]),
            severity=Severity.ERROR,
        )
        return
    for row in without:
        yield Problem(
            f"the caption lacks the trigger {trigger!r}",
            "put it in, or prompts with it will not find this picture's looks",
            *view.where(row),
        )


@DATASET_RULES.rule("D505", "The trigger is part of another word", Severity.WARNING)
def trigger_inside(view: Dataset) -> Iterator[Problem]:
    """Inside another word the tokenizer splits the trigger differently, so that this caption
    teaches other tokens than the others.

    Example: trigger `sks`, caption "a photo of sksdog"
    Fix: put spaces around it.
    """
    trigger = view.settings.trigger
    if not trigger:
        return
    for row, caption in view.captions:
        if _trigger_problem(caption, trigger) == "hides":
            yield Problem(
                f"the trigger {trigger!r} stands only inside another word",
                "put spaces around it",
                *view.where(row),
            )


@DATASET_RULES.rule("D506", "Captions are the same", Severity.INFO)
def same_captions(view: Dataset) -> Iterator[Problem]:
    """Equal captions for different pictures give the model no words for what differs; it then
    varies at random. That can be meant (a pure trigger caption).

    Fix: say in each caption what is different: view, expression, clothes, background.
    """
    by_caption: dict[str, list[Row]] = defaultdict(list)
    for row, caption in view.captions:
        by_caption[" ".join(caption.split())].append(row)
    for caption, rows in by_caption.items():
        if len(rows) > 1:
            yield Problem(
                f"{plural(len(rows), 'record')} have the caption {shortened(caption)!r}",
                "say what differs",
                *view.where(rows[1]),
            )


_TAG = regex(r"</?[a-zA-Z][^<>]{0,80}>")
_ENTITY = regex(r"&(?:[a-zA-Z]{2,8}|#\d{2,7}|#x[0-9a-fA-F]{2,6});")


def _invisible(text: str) -> str:
    """The first control or format character, if there is one."""
    return next((c for c in text if unicodedata.category(c) in ("Cc", "Cf")), "")


@DATASET_RULES.rule("D507", "A caption holds mojibake, hidden characters or HTML", Severity.WARNING)
def find_mojibake(view: Dataset) -> Iterator[Problem]:
    """Characters like Ã© are text that was read in the wrong encoding; control and direction
    characters are invisible; HTML tags and entities are read as words. All of it is learnt.

    Fix: correct the caption.
    """
    for row, caption in view.captions:
        if bad := "\ufffd" if "\ufffd" in caption else wrongly_read(caption):
            said = f"{bad!r} looks like text read in the wrong encoding"
        elif hidden := "" if caption.isprintable() else _invisible(caption):
            if hidden in "\t\n\u200d\ufe0f":
                continue
            said = f"it holds the invisible character U+{ord(hidden):04X}"
        elif match := _TAG.search(caption):
            said = f"{match[0]!r} is HTML, and would be read as words"
        elif "&" in caption and (match := _ENTITY.search(caption)):
            said = f"{match[0]!r} is HTML for {unescape(match[0])!r}, and would be read as words"
        else:
            continue
        yield Problem(said, "correct the caption", *view.where(row))


@DATASET_RULES.rule("D517", "A sidecar caption is not UTF-8", Severity.WARNING)
def other_encoding(view: Dataset) -> Iterator[Problem]:
    """Trainers that read captions beside the pictures read UTF-8, and stop at other bytes or learn
    other letters. Old editors write GBK, Shift-JIS, Windows-1251 and others. What they are in is
    weighed for all of them together; `fix` decodes them where it is certain.

    Example: a.txt beside a.png, saved in GBK
    Fix: save them as UTF-8: `hubtools fix` does it, with `--caption-encoding gbk` where it cannot
    be certain.
    """
    alike: dict[Belief | None, list[str]] = defaultdict(list)
    for name, belief in view.odd_texts.items():
        same = replace(belief, evidence="") if belief is not None else None
        alike[same].append(name)
    given = view.settings.caption_encoding
    for same, names in alike.items():
        belief = view.odd_texts[names[0]]
        count = plural(len(names), "caption")
        if belief is None:
            said = f"{count} ({some(names)}) in an encoding that is not known"
        else:
            likely = "" if belief.sure else "perhaps "
            said = f"{count} ({some(names)}) {likely}in {belief.title}: {belief.evidence}"
        if given is not None or (same is not None and same.sure):
            fix = "save as UTF-8: `hubtools fix` does it"
        else:
            name = belief.codec if belief is not None else "NAME"
            fix = f"save as UTF-8: `hubtools fix --caption-encoding {name}`, if it is that"
        yield Problem(said, fix, names[0])


@DATASET_RULES.rule("D508", "A caption is not a text", Severity.ERROR)
def not_text(view: Dataset) -> Iterator[Problem]:
    """A number or an object as caption makes the trainer fail or train on its spelling. A list of
    texts is several captions, of which every step draws one; of a word or two each it looks like
    the tags of one caption, which is a warning.

    Fix: write a text; join a list of tags with commas.
    """
    columns = (view.settings.caption_column, *view.settings.other_caption_columns)
    for row in view.rows if view.settings.instance_prompt is None else ():
        for column in columns:
            value = row.values.get(column)
            texts = value if isinstance(value, list) else [value]
            if not all(text is None or isinstance(text, str) for text in texts):
                yield Problem(
                    f"the caption is {shortened(repr(value))}, not a text",
                    "write it as one text",
                    *view.where(row),
                )
            elif len(texts) > 1 and all(len(str(text).split()) <= _TAG_WORDS for text in texts):
                yield Problem(
                    f"the captions are {shortened(repr(value))}, a word or two each: every step"
                    " would learn one of them",
                    "join tags with commas into one text",
                    *view.where(row),
                    severity=Severity.WARNING,
                )


@DATASET_RULES.rule("D509", "A caption is a file name", Severity.WARNING)
def file_name_caption(view: Dataset) -> Iterator[Problem]:
    """The caption is the picture's own name, or holds a file's name: some tool has filled it in.
    The model would learn that name as if it described the picture. (Files may be named after their
    captions: plain words are no problem.)

    Example: IMG_4711, front_view_01, "IMG_4711.JPG a cat"
    Fix: describe the picture.
    """
    trigger = (view.settings.trigger or "").lower()
    for row, caption in view.captions:
        name = row.file_name
        if not isinstance(name, str):
            continue
        base = name.replace("\\", "/").rpartition("/")[2].lower()
        stem = base.rpartition(".")[0]
        text = caption.strip().lower()
        if text == base or _named(text.replace(trigger, " ") if trigger else text, stem):
            said = f"the caption is the file name {shortened(caption.strip())!r}"
        elif "." in caption and "\n" not in caption and (match := _FILE.search(caption)):
            words = caption[: match.end()].split()
            said = f"the caption holds the file name {shortened(words[-1])!r}"
        else:
            continue
        yield Problem(said, "describe the picture", *view.where(row))


# Looks for the dot first, which is quick.
_FILE = regex(r"\.(?<=\w\.)(?:jpe?g|png|webp|gif|bmp|tiff?|heic)(?!\w)", re.IGNORECASE)


def _named(text: str, stem: str) -> bool:
    """True if the text is the name, but for numbers and what stands between words; not if it is
    words alone, after which the file was named."""
    if len(text) > 2 * len(stem) + 8:
        return False  # spares the patterns for nearly every caption
    named = re.findall(r"[^\W\d_]+", stem)
    if not named or (words := re.findall(r"[^\W\d_]+", text)) != named:
        return text == stem
    return "_" in text or bool(re.search(r"\d", text)) or (text == stem and len(words) < 3)


@DATASET_RULES.rule("D510", "No trigger is set", Severity.INFO)
def trigger_unset(view: Dataset) -> Iterator[Problem]:
    """A LoRA of a subject needs a token that names it, in every caption and in prompts. A LoRA of
    a style can do without.

    Fix: set dataset.trigger, e.g. "(lora-name-token)".
    """
    if view.settings.trigger or not view.captions:
        return
    captions = iter(caption for _, caption in view.captions)
    first = re.findall(r"[^\s,]+", next(captions)) if len(view.captions) > 1 else []
    odd = {word for word in first if re.search(r"[-_()\d]", word)}
    for caption in captions:
        if not odd:
            break
        odd.intersection_update(re.findall(r"[^\s,]+", caption))
    folders = {part for one in view.listing.pictures for part in one.folder.split("/")}
    if word := trigger_in((*folders, view.root.resolve().name)):
        odd = {word}
    yield Problem(
        "no trigger is set; prompts have no word that names the subject",
        f"set dataset.trigger, perhaps to {some(odd, 1)}" if odd else "set dataset.trigger",
    )
