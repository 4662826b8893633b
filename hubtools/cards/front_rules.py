"""C1: rules of the front matter."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator

from hubtools.cardlinks import gallery_files, is_local
from hubtools.cards.escape import is_web_address
from hubtools.cards.schema_rules import by_schema
from hubtools.cards.view import CARD_RULES, NAME, CardView, at, bytes_of, draw_command
from hubtools.findings import Problem, Severity, shortened
from hubtools.layout import CARD, RUN_MANIFEST
from hubtools.licensing.advice import card_command
from hubtools.lorafile.look import Weights
from hubtools.lorafile.provenance import trigger_offered
from hubtools.models.singles import usual_ids
from hubtools.tinypeople import REPO_NAME

_EXAMPLES = 3  # of ids that a base may have


@CARD_RULES.rule("C101", "The front matter cannot be read", Severity.ERROR)
def front_matter(view: CardView) -> Iterator[Problem]:
    """The Hub refuses a card whose YAML is broken, after everything else has been uploaded.

    Fix: correct the YAML; texts with a colon need quotes.
    """
    if view.front.error:
        yield Problem(
            f"{view.front.error}; the Hub refuses the card", "correct the YAML", CARD,
            view.front.line,
        )  # fmt: skip
    elif not view.data:
        yield Problem(
            "the card has no front matter: no licence, no base model, nothing to find it by",
            f"run {card_command(view.root, '--renew')}",
            CARD,
            1,
        )


@CARD_RULES.rule("C307", "A key of the front matter is given twice", Severity.ERROR)
def repeated_key(view: CardView) -> Iterator[Problem]:
    """The Hub refuses the card with "duplicated mapping key", after everything else has been
    uploaded; readers in Python take the last of the two and say nothing.

    Example: two lines that begin with license:
    Fix: remove one of the two lines.
    """
    for key in dict.fromkeys(view.matter.repeated):
        yield Problem(
            f"{key} is given twice; the Hub refuses the card",
            "remove one of them",
            CARD,
            view.line_of(key, last=True),
        )


@CARD_RULES.rule("C102", "pipeline_tag is missing or not one of the Hub's", Severity.WARNING)
def pipeline_tag(view: CardView) -> Iterator[Problem]:
    """The Hub offers a model under its task and makes a widget for it.

    Fix: pipeline_tag: text-to-image
    """
    if view.kind != "model":
        yield from by_schema(view, "C102")
        return
    if not view.data:
        return
    value = view.data.get("pipeline_tag")
    if value is None:
        yield Problem("there is no pipeline_tag", "add pipeline_tag: text-to-image", CARD, 1)
    elif value not in ("text-to-image", "image-to-image", "text-to-video", "image-to-video"):
        yield at(
            view, "pipeline_tag", f"{value!r} is no task of an image LoRA", "write text-to-image"
        )


@CARD_RULES.rule("C103", "base_model is missing or no Hub id", Severity.WARNING)
def base_model(view: CardView) -> Iterator[Problem]:
    """The page's code snippet, the licence and the model tree all hang on base_model. A local path
    means nothing to anybody else. A value that is no Hub id is an error, as the Hub refuses it.
    Of a LoRA for the base that comes with hubtools, which has no id, it is a note.

    Fix: `hubtools card FOLDER --base-model OWNER/NAME`; `--base-model-repo` (the setting
    train.base_model_repo) if hubtools trained it from a local folder.
    """
    if view.kind != "model":
        yield from by_schema(view, "C103")
        return
    if not view.data:
        return
    value = view.data.get("base_model")
    if value is None and view.stated_base == REPO_NAME:
        yield Problem(
            f"there is no base_model: the base is {REPO_NAME}, which comes with hubtools and"
            " is on no Hub",
            None,
            CARD,
            1,
            severity=Severity.INFO,
        )
        return
    if value is None:
        yield Problem(
            "there is no base_model: nobody knows what to load the LoRA into",
            _base_advice(view),
            CARD,
            1,
        )
        return
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, str) or not re.fullmatch(f"{NAME}/{NAME}", item):
            yield at(
                view, "base_model", f"{item!r} is no Hub id", "write owner/name",
                severity=Severity.ERROR,
            )  # fmt: skip


def _base_advice(view: CardView) -> str:
    if RUN_MANIFEST not in view.names:
        return card_command(view.root, "--base-model", "OWNER/NAME") + _like(view)
    return (
        f"{card_command(view.root, '--base-model-repo', 'OWNER/NAME')}, the base's id on the Hub;"
        " or train.base_model_repo in hubtools.toml"
    )


def _like(view: CardView) -> str:
    """Which id that may be, as far as the names and widths of the LoRA's layers tell."""
    held = next((one for one in (Weights(h, 0, None) for h in view.adapters) if one.families), None)
    if held is None:
        return ""
    if held.strange_widths:
        return "; a base that comes with hubtools, or is nobody else's, has no id"
    ids = usual_ids(held.families)[:_EXAMPLES]
    return f", for example {' or '.join(ids)}" if ids else ""


@CARD_RULES.rule("C133", "The card of a LoRA names no trigger", Severity.INFO)
def trigger_of_foreign(view: CardView) -> Iterator[Problem]:
    """Of a LoRA that hubtools has not trained nobody but its author knows which word names it. A
    trigger that the header of its file names, or the folder of sd-scripts that it was trained on,
    is not put on the card by itself: it may be a person's name.

    Fix: `hubtools card FOLDER --trigger WORD`, if a word names what it has learnt; a LoRA of a
    style may have none.
    """
    if view.kind != "model" or not view.data or view.data.get("instance_prompt"):
        return
    if RUN_MANIFEST in view.names:
        return
    loras = view.adapters
    if not loras:
        return
    offered = next((t for one in loras if (t := trigger_offered(one.metadata))), None)
    named, said = (offered[0], f"; {offered[1]}") if offered else (None, "")
    word = shlex.quote(named) if named else "WORD"
    yield Problem(
        f"no trigger is named{said}",
        f"if a word names what it has learnt: {card_command(view.root, '--trigger', word)}",
        CARD,
        1,
    )


@CARD_RULES.rule("C104", "tags are no list, or repeat", Severity.WARNING)
def tags(view: CardView) -> Iterator[Problem]:
    """A single text instead of a list is refused by the Hub; tags that repeat are left by scripts
    that append on every run. What is no list is an error.

    Fix: write a list with each tag once.
    """
    value = view.data.get("tags")
    if value is None:
        return
    if not isinstance(value, list):
        yield at(view, "tags", "tags is no list", "write - tag lines", severity=Severity.ERROR)
        return
    twice = sorted(tag for tag, times in Counter(map(str, value)).items() if times > 1)
    if twice:
        yield at(view, "tags", f"{', '.join(twice)} repeats", "keep each tag once")


@CARD_RULES.rule("C105", "library_name is missing", Severity.WARNING)
def library_name(view: CardView) -> Iterator[Problem]:
    """Without library_name: diffusers the page shows no code and counts no downloads.

    Fix: library_name: diffusers
    """
    if view.kind == "model" and view.data and view.data.get("library_name") != "diffusers":
        yield at(
            view,
            "library_name",
            f"library_name is {view.data.get('library_name')!r}; the page shows no code",
            "write library_name: diffusers",
        )


@CARD_RULES.rule("C106", "datasets are no Hub ids", Severity.ERROR)
def dataset_ids(view: CardView) -> Iterator[Problem]:
    """The Hub links them; null, a path or a title is refused.

    Fix: a list of owner/name.
    """
    yield from by_schema(view, "C106")


@CARD_RULES.rule("C107", "A picture of the gallery does not exist", Severity.ERROR)
def widget_files(view: CardView) -> Iterator[Problem]:
    """The page would show a broken picture.

    Fix: run `hubtools card --renew`; in a gallery of your own correct the path.
    """
    for _, url in gallery_files(view.data):
        if bytes_of(view, url) is None:
            fix = view.renewed("widget", "correct the path, or remove the entry")
            yield at(view, "widget", f"there is no {url}", fix)


@CARD_RULES.rule("C108", "A picture of the gallery is large", Severity.WARNING)
def widget_size(view: CardView) -> Iterator[Problem]:
    """The page loads all of them at once.

    Fix: run `hubtools card --renew`, which scales them, or scale it yourself.
    """
    for _, url in gallery_files(view.data):
        size = bytes_of(view, url) or 0
        if size > 3_000_000:
            yield at(view, "widget", f"{url} has {size / 1e6:.1f} MB", "scale it down")


@CARD_RULES.rule("C109", "The first example prompt lacks the trigger", Severity.WARNING)
def widget_trigger(view: CardView) -> Iterator[Problem]:
    """The page's code uses the first widget's text as the prompt: without the trigger it draws
    anything but the subject.

    Fix: put a prompt with the trigger first; `hubtools generate PROMPT --lora FOLDER --output
    FOLDER/samples` draws a picture with it, and `hubtools card FOLDER` puts it first.
    """
    trigger = view.data.get("instance_prompt")
    if isinstance(trigger, str) and view.widget:
        text = view.widget[0].get("text")
        if text == "-":  # what `hubtools card` writes where nothing tells it
            yield at(
                view, "widget", f"nothing tells the prompt of the first picture; {trigger!r} should"
                " be in it",
                "write what it was drawn with into a .txt of the same name beside the picture"
                f" (in samples/), then {card_command(view.root)}; or draw one"
                f" ({draw_command(view, shlex.quote(f'{trigger}, WORDS'))})",
            )  # fmt: skip
        elif isinstance(text, str) and trigger not in text:
            yield at(
                view, "widget", f"the first prompt does not contain {trigger!r}",
                f"put a prompt with it first; if there is none, draw one"
                f" ({draw_command(view, shlex.quote(f'{trigger}, WORDS'))}), then"
                f" {card_command(view.root)}",
            )  # fmt: skip


@CARD_RULES.rule("C110", "A widget entry is not of the Hub's form", Severity.ERROR)
def widget_form(view: CardView) -> Iterator[Problem]:
    """Each entry is {text: ..., output: {url: ...}}.

    Fix: run `hubtools card --renew`; in a gallery of your own write it so, or remove it.
    """
    yield from by_schema(view, "C110", of="widget")


@CARD_RULES.rule("C111", "A task or size category is unknown", Severity.ERROR)
def dataset_categories(view: CardView) -> Iterator[Problem]:
    """The Hub refuses task_categories and size_categories that are not on its lists.

    Fix: task_categories: [text-to-image]; size_categories: [n<1K], [1K<n<10K], ...
    """
    yield from by_schema(view, "C111")


@CARD_RULES.rule("C112", "A split name is not allowed", Severity.ERROR)
def split_names(view: CardView) -> Iterator[Problem]:
    """Names of splits in `configs` are letters, digits, _ and dots; others make loading fail.

    Fix: rename the split, e.g. my_split.
    """
    configs = view.data.get("configs")
    for config in configs if isinstance(configs, list) else []:
        files = config.get("data_files") if isinstance(config, dict) else None
        for entry in files if isinstance(files, list) else []:
            name = entry.get("split") if isinstance(entry, dict) else None
            if isinstance(name, str) and not re.fullmatch(r"\w+(\.\w+)*", name):
                yield at(view, "configs", f"the split name {name!r} is not allowed", "rename it")


@CARD_RULES.rule("C113", "A gallery picture's address is not a web address", Severity.ERROR)
def widget_schemes(view: CardView) -> Iterator[Problem]:
    """A gallery shows files of the repository and https addresses. `javascript:`, `data:` and
    `file:` addresses run code, or lead to the reader's machine.

    Fix: write the path of a picture in the repository, or an https address.
    """
    for entry in view.widget:
        output = entry.get("output")
        url = output.get("url") if isinstance(output, dict) else None
        if isinstance(url, str) and not is_local(url) and not is_web_address(url):
            yield at(
                view,
                "widget",
                f"{shortened(url, 80)!r} is no picture",
                "write the path of a picture",
            )
