"""C rules: a card that the Hub accepts and that tells the truth, checked offline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hubtools.cards.merge import split
from hubtools.dataset.view import Card, read_card
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath
from hubtools.findings import Problem, Report, RuleBook, Severity
from hubtools.layout import CARD
from hubtools.leaks import local_paths, tokens
from hubtools.licenses import check_derived, is_license, license_of_base, suggest

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class CardView:
    """A card and the folder around it."""

    root: Path
    kind: Kind
    text: str
    front: Card
    body: str
    body_line: int  # line of the file on which the body begins

    @property
    def data(self) -> dict[str, Any]:
        """The front matter."""
        return self.front.data

    def line_of(self, key: str) -> int | None:
        """Line of a top-level key of the front matter."""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if number > 1 and line.strip() == "---":
                return None
            if re.match(rf"[\"']?{re.escape(key)}[\"']?\s*:", line):
                return number
        return None

    def body_line_of(self, offset: int) -> int:
        """Line of the file at an offset of the body."""
        return self.body_line + self.body.count("\n", 0, offset)

    @property
    def widget(self) -> list[dict[str, Any]]:
        """The widget entries that are objects."""
        value = self.data.get("widget")
        if not isinstance(value, list):
            return []
        return [entry for entry in value if isinstance(entry, dict)]


CARD_RULES: RuleBook[CardView] = RuleBook()
_NAME = r"[A-Za-z0-9][\w.-]*"  # of a user or a repository: `./base` is a path


def check_card(
    folder: StrPath,
    kind: Kind,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    strict: bool = False,
) -> Report:
    """Check `folder/README.md` by all card rules. Raises `HubtoolsError` if there is none."""
    folder = Path(folder)
    path = folder / CARD
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        raise HubtoolsError(f"{folder} has no {CARD}.", hint="`hubtools card` writes it") from None
    _, body = split(text)
    line = text[: len(text) - len(body)].count("\n") + 1
    view = CardView(folder, kind, text, read_card(path), body, line)
    findings = CARD_RULES.run(view, select=select, ignore=ignore, strict=strict)
    return Report(f"{folder.name}/{CARD}", tuple(findings), rules=tuple(CARD_RULES))


def _at(view: CardView, key: str, message: str, fix: str | None = None, **more: Any) -> Problem:
    return Problem(message, fix, CARD, view.line_of(key), **more)


# --- C1: the front matter ------------------------------------------------------------------------


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
            "run `hubtools card`",
            CARD,
            1,
        )


@CARD_RULES.rule("C102", "pipeline_tag is missing or not one of the Hub's", Severity.WARNING)
def pipeline_tag(view: CardView) -> Iterator[Problem]:
    """The Hub offers a model under its task and makes a widget for it.

    Fix: pipeline_tag: text-to-image
    """
    if view.kind != "model" or not view.data:
        return
    value = view.data.get("pipeline_tag")
    if value is None:
        yield Problem("there is no pipeline_tag", "add pipeline_tag: text-to-image", CARD, 1)
    elif value not in ("text-to-image", "image-to-image", "text-to-video", "image-to-video"):
        yield _at(
            view, "pipeline_tag", f"{value!r} is no task of an image LoRA", "write text-to-image"
        )


@CARD_RULES.rule("C103", "base_model is missing or no Hub id", Severity.WARNING)
def base_model(view: CardView) -> Iterator[Problem]:
    """The page's code snippet, the licence and the model tree all hang on base_model. A local path
    means nothing to anybody else.

    Fix: base_model: owner/name (train.base_model_repo if you train from a local folder).
    """
    if view.kind != "model" or not view.data:
        return
    value = view.data.get("base_model")
    if value is None:
        yield Problem(
            "there is no base_model: nobody knows what to load the LoRA into",
            "set train.base_model_repo in hubtools.toml",
            CARD,
            1,
        )
        return
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, str) or not re.fullmatch(f"{_NAME}/{_NAME}", item):
            yield _at(
                view, "base_model", f"{item!r} is no Hub id", "write owner/name",
                severity=Severity.ERROR,
            )  # fmt: skip


@CARD_RULES.rule("C104", "tags are no list, or repeat", Severity.WARNING)
def tags(view: CardView) -> Iterator[Problem]:
    """A single text instead of a list is refused by the Hub; tags that repeat are left by scripts
    that append on every run.

    Fix: write a list with each tag once.
    """
    value = view.data.get("tags")
    if value is None:
        return
    if not isinstance(value, list):
        yield _at(view, "tags", "tags is no list", "write - tag lines", severity=Severity.ERROR)
        return
    twice = sorted({str(tag) for tag in value if value.count(tag) > 1})
    if twice:
        yield _at(view, "tags", f"{', '.join(twice)} repeats", "keep each tag once")


@CARD_RULES.rule("C105", "library_name is missing", Severity.WARNING)
def library_name(view: CardView) -> Iterator[Problem]:
    """Without library_name: diffusers the page shows no code and counts no downloads.

    Fix: library_name: diffusers
    """
    if view.kind == "model" and view.data and view.data.get("library_name") != "diffusers":
        yield _at(
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
    if view.kind != "model" or "datasets" not in view.data:
        return
    value = view.data["datasets"]
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str) or not re.fullmatch(f"({_NAME}/)?{_NAME}", item):
            yield _at(view, "datasets", f"{item!r} is no dataset id", "write owner/name")


@CARD_RULES.rule("C107", "A picture of the gallery does not exist", Severity.ERROR)
def widget_files(view: CardView) -> Iterator[Problem]:
    """The page would show a broken picture.

    Fix: run `hubtools card` again, or correct the path.
    """
    for entry in view.widget:
        output = entry.get("output")
        url = output.get("url") if isinstance(output, dict) else None
        if isinstance(url, str) and "://" not in url and not (view.root / url).is_file():
            yield _at(view, "widget", f"there is no {url}", "run `hubtools card`")


@CARD_RULES.rule("C108", "A picture of the gallery is large", Severity.WARNING)
def widget_size(view: CardView) -> Iterator[Problem]:
    """The page loads all of them at once.

    Fix: run `hubtools card`, which scales them, or scale it yourself.
    """
    for entry in view.widget:
        output = entry.get("output")
        url = output.get("url") if isinstance(output, dict) else None
        if isinstance(url, str) and "://" not in url and (view.root / url).is_file():
            size = (view.root / url).stat().st_size
            if size > 3_000_000:
                yield _at(view, "widget", f"{url} has {size / 1e6:.1f} MB", "scale it down")


@CARD_RULES.rule("C109", "The first example prompt lacks the trigger", Severity.WARNING)
def widget_trigger(view: CardView) -> Iterator[Problem]:
    """The page's code uses the first widget's text as the prompt: without the trigger it draws
    anything but the subject.

    Fix: put a prompt with the trigger first.
    """
    trigger = view.data.get("instance_prompt")
    if isinstance(trigger, str) and view.widget:
        text = view.widget[0].get("text")
        if isinstance(text, str) and trigger not in text:
            yield _at(
                view, "widget", f"the first prompt does not contain {trigger!r}",
                "put a prompt with it first",
            )  # fmt: skip


@CARD_RULES.rule("C110", "A widget entry is not of the Hub's form", Severity.ERROR)
def widget_form(view: CardView) -> Iterator[Problem]:
    """Each entry is {text: ..., output: {url: ...}}.

    Fix: run `hubtools card`.
    """
    value = view.data.get("widget")
    if value is None:
        return
    entries = value if isinstance(value, list) else [value]
    for entry in entries:
        good = isinstance(entry, dict) and isinstance(entry.get("text", ""), str)
        if not good or not isinstance(entry.get("output", {}), dict):
            yield _at(view, "widget", f"{entry!r} is no widget entry", "run `hubtools card`")


@CARD_RULES.rule("C111", "A task or size category is unknown", Severity.ERROR)
def dataset_categories(view: CardView) -> Iterator[Problem]:
    """The Hub refuses task_categories and size_categories that are not on its lists.

    Fix: task_categories: [text-to-image]; size_categories: [n<1K], [1K<n<10K], ...
    """
    if view.kind != "dataset":
        return
    sizes = view.data.get("size_categories")
    for item in sizes if isinstance(sizes, list) else [sizes] if sizes is not None else []:
        if item not in _SIZES:
            yield _at(view, "size_categories", f"{item!r} is no size category", "write e.g. n<1K")
    tasks = view.data.get("task_categories")
    if tasks is not None and not isinstance(tasks, list):
        yield _at(view, "task_categories", "task_categories is no list", "write [text-to-image]")
    for item in tasks if isinstance(tasks, list) else []:
        if not isinstance(item, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", item):
            yield _at(view, "task_categories", f"{item!r} is no task", "write text-to-image")


_SIZES = (
    "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B",
    "1B<n<10B", "10B<n<100B", "100B<n<1T", "n>1T",
)  # fmt: skip


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
                yield _at(view, "configs", f"the split name {name!r} is not allowed", "rename it")


# --- C2: the body --------------------------------------------------------------------------------


@CARD_RULES.rule("C201", "A placeholder was left", Severity.ERROR)
def placeholder(view: CardView) -> Iterator[Problem]:
    """[More Information Needed], TODO and the like tell readers that nobody looked.

    Fix: write it, or remove the section.
    """
    pattern = re.compile(
        r"\[more information needed\]|\[?\bTODO\b|lorem ipsum|<your[- ]|\[your ", re.IGNORECASE
    )
    for match in pattern.finditer(_without_code(view.body)):
        yield Problem(
            f"{match[0]!r} was left in the card",
            "write it, or remove the section",
            CARD,
            view.body_line_of(match.start()),
        )


def _without_code(text: str) -> str:
    """The text with code blanked out, every offset as before."""
    return re.sub(
        r"```.*?```|`[^`\n]*`", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.DOTALL
    )


@CARD_RULES.rule("C202", "The card names a path of this machine", Severity.ERROR)
def path(view: CardView) -> Iterator[Problem]:
    """It tells the account's name and means nothing to anybody else.

    Fix: remove it.
    """
    for found, offset in local_paths(view.text):
        line = view.text.count("\n", 0, offset) + 1
        yield Problem(f"{found!r} is a path of this machine", "remove it", CARD, line)


@CARD_RULES.rule("C203", "The card holds an access token", Severity.ERROR)
def secret(view: CardView) -> Iterator[Problem]:
    """Everybody could use it.

    Fix: remove it, and revoke the token.
    """
    for what, offset in tokens(view.text):
        line = view.text.count("\n", 0, offset) + 1
        yield Problem(f"this looks like {what}", "remove it, and revoke it", CARD, line)


@CARD_RULES.rule("C204", "Gallery and widget do not go together", Severity.WARNING)
def gallery(view: CardView) -> Iterator[Problem]:
    """`<Gallery />` shows the widget's pictures: one without the other shows nothing.

    Fix: run `hubtools card`.
    """
    if view.kind != "model" or view.front.error:
        return
    tag = "<Gallery />" in view.body
    if tag and not view.widget:
        offset = view.body.index("<Gallery />")
        yield Problem(
            "<Gallery /> has no widget to show", "run `hubtools card`", CARD,
            view.body_line_of(offset),
        )  # fmt: skip
    elif view.widget and not tag:
        yield _at(view, "widget", "there is no <Gallery /> to show the widget", "add it")


@CARD_RULES.rule("C205", "A picture or file that the card links does not exist", Severity.ERROR)
def links(view: CardView) -> Iterator[Problem]:
    """Readers get a broken picture or a 404.

    Fix: correct the link.
    """
    for match in re.finditer(r"\]\(\s*<?([^)\s>]+)", _without_code(view.body)):
        target = match[1].split("#")[0]
        if not target or re.match(r"[a-z][a-z0-9+.-]*:", target) or target.startswith("/"):
            continue
        if not (view.root / target).exists():
            yield Problem(
                f"there is no {target}", "correct the link", CARD, view.body_line_of(match.start())
            )


@CARD_RULES.rule("C206", "The code snippet loads a file that does not exist", Severity.ERROR)
def snippet(view: CardView) -> Iterator[Problem]:
    """Whoever copies the snippet gets an error.

    Fix: run `hubtools card`.
    """
    if view.kind != "model":
        return
    for match in re.finditer(r"weight_name=[\"']([^\"']+)", view.body):
        if not (view.root / match[1]).is_file():
            yield Problem(
                f"there is no {match[1]}", "run `hubtools card`", CARD,
                view.body_line_of(match.start()),
            )  # fmt: skip


@CARD_RULES.rule("C207", "The card has no text", Severity.WARNING)
def empty_body(view: CardView) -> Iterator[Problem]:
    """A page without a word.

    Fix: run `hubtools card`.
    """
    if len(view.body.split()) < 5:
        yield Problem("the card has no text", "run `hubtools card`", CARD, view.body_line)


@CARD_RULES.rule("C208", "An e-mail address is in the card", Severity.INFO)
def email(view: CardView) -> Iterator[Problem]:
    """It will be collected. That may be what you want.

    Fix: remove it if not.
    """
    for match in re.finditer(r"\b[\w.+-]+@[\w-]+\.[a-z]{2,}\b", _without_code(view.body)):
        yield Problem(
            f"{match[0]} will be collected", "remove it unless you mean it", CARD,
            view.body_line_of(match.start()),
        )  # fmt: skip


# --- C3: the licence -----------------------------------------------------------------------------


@CARD_RULES.rule("C301", "There is no licence", Severity.WARNING)
def license_missing(view: CardView) -> Iterator[Problem]:
    """Without a licence nobody may use it.

    Fix: set model.license or dataset.license in hubtools.toml.
    """
    if view.data and not view.data.get("license"):
        yield Problem(
            "the card names no licence",
            f"set {view.kind}.license in hubtools.toml and run `hubtools card`",
            CARD,
            1,
            severity=Severity.ERROR if view.kind == "model" else None,
        )


@CARD_RULES.rule("C302", "The licence id is unknown to the Hub", Severity.ERROR)
def license_unknown(view: CardView) -> Iterator[Problem]:
    """The Hub refuses the card.

    Fix: use an id of the Hub's list.
    """
    value = view.data.get("license")
    for item in value if isinstance(value, list) else [value]:
        if item and not (isinstance(item, str) and is_license(item)):
            near = suggest(str(item))
            yield _at(
                view, "license", f"the Hub knows no licence {item!r}",
                f"write {near}" if near else "use an id of its list, or other",
            )  # fmt: skip


@CARD_RULES.rule("C303", "The licence `other` has no name or link", Severity.ERROR)
def license_other(view: CardView) -> Iterator[Problem]:
    """`other` says nothing by itself; the Hub wants license_name and license_link.

    Fix: set model.license_name and model.license_link.
    """
    if view.data.get("license") == "other":
        for key in ("license_name", "license_link"):
            if not view.data.get(key):
                yield _at(view, "license", f"{key} is missing", f"add {key}")


@CARD_RULES.rule("C304", "The licence promises more than the base model's", Severity.ERROR)
def license_derived(view: CardView) -> Iterator[Problem]:
    """A LoRA is a derivative of its base: OpenRAIL use restrictions must travel, non-commercial and
    community licences must be passed on by name.

    Fix: take the base's licence.
    """
    if view.kind != "model":
        return
    base, chosen = view.data.get("base_model"), view.data.get("license")
    if isinstance(base, str) and isinstance(chosen, str):
        problem = check_derived(license_of_base(base), chosen, view.data.get("license_name"))
        if problem:
            yield _at(view, "license", problem, "take the base's licence")


@CARD_RULES.rule("C305", "The licence's file does not exist", Severity.ERROR)
def license_link(view: CardView) -> Iterator[Problem]:
    """license_link is an address or a file of the repository.

    Fix: add the file, or give the address.
    """
    link = view.data.get("license_link")
    if isinstance(link, str) and "://" not in link and not (view.root / link).is_file():
        yield _at(view, "license_link", f"there is no {link}", "add it, or give an address")
