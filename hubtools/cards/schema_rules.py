"""C1: what in a front matter is not of the form that the Hub takes (`hubtools.cardschema`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from hubtools import cardschema
from hubtools.cardforms import form_problem
from hubtools.cards.view import CARD_RULES, CardView, at
from hubtools.findings import Problem, Severity
from hubtools.layout import CARD

_UNKNOWN = 500  # keys of one card that are compared with those of the Hub


def by_schema(view: CardView, rule: str, *, of: str | None = None) -> Iterator[Problem]:
    """What the schema says for one rule, each at its line. `of`: the key, if `hubtools card` can
    write its value anew."""
    for violation, line in view.violations:
        if violation.rule == rule:
            problem = form_problem(violation, line, view.root)
            by_hand = problem.fix or ""
            yield problem if of is None else problem._replace(fix=view.renewed(of, by_hand))


@CARD_RULES.rule("C116", "A tag is not a text", Severity.ERROR)
def tag_text(view: CardView) -> Iterator[Problem]:
    """YAML reads 2024 as a number and on, no and yes as true or false; the Hub refuses tags that
    are no text. It is an error where the Hub refuses the card for it, else a warning.

    Example: tags: [lora, 2024]
    Fix: write the tag in quotes: "2024".
    """
    yield from (p for p in by_schema(view, "C116") if isinstance(view.data.get("tags"), list))


@CARD_RULES.rule("C117", "A language is no ISO 639 code", Severity.ERROR)
def language(view: CardView) -> Iterator[Problem]:
    """The Hub takes codes of two or three small letters; names and regions (English, en-US) are
    refused. It is an error where the Hub refuses the card for it, else a warning.

    Example: language: English
    Fix: language: en; regions go into language_bcp47.
    """
    yield from by_schema(view, "C117")


@CARD_RULES.rule("C118", "A key of the front matter has no value", Severity.WARNING)
def no_value(view: CardView) -> Iterator[Problem]:
    """A key without a value says nothing, and the page shows nothing for it.

    Example: a line that ends behind license:
    Fix: give it a value, or remove the line.
    """
    known = cardschema.keys(view.kind) - {"instance_prompt", "paperswithcode_id"}
    cut = {key for key, _ in _cut_off(view)} | {found.path[0] for found, _ in view.violations}
    for key in view.data:
        if view.data[key] in (None, "", [], {}) and key in known and key not in cut:
            yield at(view, key, f"{key} has no value", "give it one, or remove the line")


@CARD_RULES.rule("C119", "model-index is not of the Hub's form", Severity.ERROR)
def model_index(view: CardView) -> Iterator[Problem]:
    """The Hub shows evaluation results from model-index and refuses a card in which it is not
    complete: each result has a task, a dataset (type and name) and metrics (type and value). It is
    an error where the Hub refuses the card for it, else a warning.

    Fix: complete it as hub-docs describe (modelcard.md), or remove it.
    """
    yield from by_schema(view, "C119")


@CARD_RULES.rule("C120", "A key of the front matter is misspelt", Severity.WARNING)
def misspelt(view: CardView) -> Iterator[Problem]:
    """The Hub keeps keys that it does not know and does nothing with them.

    Example: licence: mit
    Fix: write the key as the Hub does.
    """
    known = cardschema.keys()
    unknown = (key for key in view.data if key not in known)
    for key in islice(unknown, _UNKNOWN):
        near = cardschema.nearest_key(key, view.kind)
        if near is not None and near not in view.data:
            yield at(view, key, f"the Hub does not know {key}", f"write {near}")


@CARD_RULES.rule("C121", "A # has cut a value off", Severity.WARNING)
def cut_off(view: CardView) -> Iterator[Problem]:
    """In YAML a # begins a comment, so that what stands behind it is lost.

    Example: pretty_name: #1 portraits
    Fix: write the value in quotes.
    """
    for key, line in _cut_off(view):
        yield Problem(f"the # takes away the value of {key}", "write it in quotes", CARD, line)


def _cut_off(view: CardView) -> list[tuple[str, int]]:
    """Keys and their lines of which a # has taken the whole value; words of a comment that follow
    the # after a space are a comment."""
    found = []
    for number, line in enumerate(view.text.splitlines()[: view.body_line], start=1):
        match = re.match(r"([\w-]+):[ \t]+#[^\s#]", line)
        if match and match[1] in view.data and view.data[match[1]] is None:
            found.append((match[1], number))
    return found


@CARD_RULES.rule("C122", "The thumbnail is no web address", Severity.WARNING)
def thumbnail(view: CardView) -> Iterator[Problem]:
    """The picture that social networks show for a link to the page is fetched from an address; a
    path of the repository shows none. It is an error where the Hub refuses the card for it, else a
    warning.

    Fix: write https://huggingface.co/owner/name/resolve/main/picture.png
    """
    yield from by_schema(view, "C122")


@CARD_RULES.rule("C123", "The gate's form is not of the Hub's form", Severity.ERROR)
def gate(view: CardView) -> Iterator[Problem]:
    """The form that people fill in to get access is made from the extra_gated_ keys. Fields are
    names with a type: text, checkbox, date_picker, country, or select with options. It is an error
    where the Hub refuses the card for it, else a warning.

    Fix: extra_gated_fields: {Company: text, Country: country}
    """
    yield from by_schema(view, "C123")


@CARD_RULES.rule("C124", "base_model_relation is none of the Hub's", Severity.WARNING)
def relation(view: CardView) -> Iterator[Problem]:
    """The model tree puts a LoRA under its base as an adapter. It is an error where the Hub refuses
    the card for it, else a warning.

    Fix: base_model_relation: adapter
    """
    yield from by_schema(view, "C124")


@CARD_RULES.rule("C125", "new_version is no Hub id", Severity.ERROR)
def new_version(view: CardView) -> Iterator[Problem]:
    """The page sends readers on to the newer repository. It is an error where the Hub refuses the
    card for it, else a warning.

    Fix: new_version: owner/name
    """
    yield from by_schema(view, "C125")


@CARD_RULES.rule("C126", "configs are not of the Hub's form", Severity.ERROR)
def configs(view: CardView) -> Iterator[Problem]:
    """Each entry of configs has a config_name of its own, and each of its data_files a split and a
    path. Loading fails, or takes the last of two of one name. It is an error where the Hub refuses
    the card for it, else a warning.

    Fix: `hubtools validate` shows what fits the folder.
    """
    yield from by_schema(view, "C126")


@CARD_RULES.rule("C127", "A value of the front matter is of the wrong type", Severity.ERROR)
def wrong_type(view: CardView) -> Iterator[Problem]:
    """The Hub refuses a number where it wants a text, or a text where it wants a list. It is an
    error where the Hub refuses the card for it, else a warning.

    Example: pretty_name: 2024
    Fix: write texts in quotes, lists as lines that begin with - .
    """
    yield from by_schema(view, "C127")


@CARD_RULES.rule("C128", "co2_eq_emissions is not of the Hub's form", Severity.WARNING)
def emissions(view: CardView) -> Iterator[Problem]:
    """The page shows the grams of CO2 that a training took: a number, or emissions with a source.
    It is an error where the Hub refuses the card for it, else a warning.

    Fix: co2_eq_emissions: {emissions: 120, source: ...}
    """
    yield from by_schema(view, "C128")


@CARD_RULES.rule("C129", "inference is not of the Hub's form", Severity.WARNING)
def inference(view: CardView) -> Iterator[Problem]:
    """The page's widget takes its parameters from inference. It is an error where the Hub refuses
    the card for it, else a warning.

    Fix: inference: {parameters: {num_inference_steps: 25}}
    """
    yield from by_schema(view, "C129")


@CARD_RULES.rule("C130", "dataset_info is not of the Hub's form", Severity.WARNING)
def dataset_info(view: CardView) -> Iterator[Problem]:
    """The viewer and `load_dataset` take columns and sizes from dataset_info: features with a name
    each, splits with a name and whole numbers. It is an error where the Hub refuses the card for
    it, else a warning.

    Fix: run `hubtools card --renew` if hubtools wrote it; else correct it, or remove it.
    """
    yield from by_schema(view, "C130", of="dataset_info")


@CARD_RULES.rule("C131", "A switch is neither true nor false", Severity.WARNING)
def switch(view: CardView) -> Iterator[Problem]:
    """A text such as "no" counts as set. It is an error where the Hub refuses the card for it, else
    a warning.

    Fix: write true or false without quotes.
    """
    yield from by_schema(view, "C131")


@CARD_RULES.rule("C132", "Text stands before the front matter", Severity.ERROR)
def not_first(view: CardView) -> Iterator[Problem]:
    """Only a front matter at the very start of the file is read; below a heading it is text, and
    the page has no licence, no base model and no gallery.

    Fix: move it to the first line.
    """
    if view.matter.block is not None:
        return
    opened = None
    telling = re.compile(r"(license|tags|base_model|configs|language|pipeline_tag):")
    told = False
    for number, line in enumerate(view.text.splitlines(), start=1):
        if line.rstrip() == "---":
            if opened is not None and told:
                yield Problem(
                    "the front matter is not at the start", "move it to line 1", CARD, opened
                )
                return
            opened, told = number, False
        elif opened is not None:
            told = told or telling.match(line) is not None


@CARD_RULES.rule("C308", "The licence's name or link is not of the Hub's form", Severity.ERROR)
def license_words(view: CardView) -> Iterator[Problem]:
    """license_name is a name such as my-license-1.0, in small letters, and license_link a text. It
    is an error where the Hub refuses the card for it, else a warning.

    Fix: write it like my-license-1.0.
    """
    yield from by_schema(view, "C308")


@CARD_RULES.rule("C309", "Several licences are named", Severity.WARNING)
def several(view: CardView) -> Iterator[Problem]:
    """Readers do not learn which of them holds for what. The Hub's page lists them side by side.

    Fix: name one; or other with a license_name and a license_link that tells what holds.
    """
    value = view.data.get("license")
    if isinstance(value, list) and len(value) > 1:
        yield at(view, "license", f"{len(value)} licences are named", "name one")
