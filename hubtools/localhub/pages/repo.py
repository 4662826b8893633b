"""The page of a repository: its card as the Hub would show it, and what can be read off it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from hubtools.files import human_bytes
from hubtools.localhub import cardyaml
from hubtools.localhub.http import Call
from hubtools.localhub.info import strings
from hubtools.localhub.names import repo_prefix
from hubtools.localhub.pages import card as cards
from hubtools.localhub.pages.files import file_table
from hubtools.localhub.pages.findings import findings
from hubtools.localhub.pages.frame import View, has, moment
from hubtools.localhub.pages.html import Html, join, link, path, tag
from hubtools.localhub.pages.pictures import dataset_pictures

# What a card calls that tells how to use its repository.
_SAID = ("load_dataset(", "load_lora_weights(", "from_pretrained(", "hf download")
_TAGS = 20  # that are shown at once


def show(call: Call) -> Response:
    view = View.of(call)
    data = call.hub.store.read_small(view.snapshot, "README.md", 4 << 20)
    readme = data.decode("utf-8", "replace") if data is not None else None
    card = cardyaml.metadata(readme) if readme else {}
    return view.document(
        "card",
        tag(
            "div",
            tag("div", _body(view, readme), _use(view, readme or "", card)),
            tag("aside", _facts(view, card)),
            class_="columns",
        ),
    )


def _body(view: View, readme: str | None) -> Html:
    pictures = dataset_pictures(view) if view.repo.kind == "dataset" else None
    found = view.about_files().get("README.md", []) if readme else []
    inside = cards.in_body(readme, found) if readme else []
    rendered = cards.render(readme, view.place, inside) if readme else None
    if rendered is None or not rendered.strip():
        rendered = tag("p", "This repository has no card (README.md) yet.", class_="soft")
    errors = cardyaml.judge(readme, view.repo.kind).errors if readme and not found else []
    placed = set(map(id, inside))
    about = [one for one in found if id(one) not in placed]
    where = {"README.md": view.href("blob", "main", "README.md")}
    return join(
        *(tag("div", tag("strong", "Card: "), message, class_="sheet wrong") for message in errors),
        findings(about, "About the front matter, and the card as a whole:", hrefs=where),
        pictures,
        tag("div", rendered, class_="sheet card"),
        None if readme else file_table(view, ""),
    )


def _facts(view: View, card: Mapping[str, Any]) -> Html:
    rows: list[tuple[str, object]] = []
    if trigger := card.get("instance_prompt"):
        rows.append(("Trigger", tag("div", trigger, class_="trigger")))
    if card.get("license"):
        names = ", ".join(strings(card.get("license_name")))
        known = ", ".join(strings(card["license"]))
        rows.append(("License", f"{known} ({names})" if names else known))
    for key, title, kind in (
        ("base_model", "Base model", "model"),
        ("datasets", "Trained on", "dataset"),
    ):
        if found := strings(card.get(key)):
            rows.append((title, join(*(_repo_link(view, kind, name) for name in found))))
    for key, title in (
        ("pipeline_tag", "Task"),
        ("library_name", "Library"),
        ("language", "Language"),
        ("size_categories", "Size"),
    ):
        if found := strings(card.get(key)):
            rows.append((title, ", ".join(found)))
    if found := strings(card.get("tags")):
        words = [tag("span", word, class_="tag") for word in found]
        more = words[_TAGS:]
        rest = tag("details", tag("summary", f"{len(more)} more"), *more) if more else None
        rows.append(("Tags", join(*words[:_TAGS], rest)))
    files = view.snapshot.files.values()
    total = human_bytes(sum(file.size for file in files))
    count, own = len(files), ".gitattributes" in view.snapshot.files
    # nobody pushes that one: a new repository has it
    rows.append(("Files", f"{count - own}{' and .gitattributes' if own else ''} · {total}"))
    rows.append(("Last change", moment(view.snapshot.commit.date)))
    return tag(
        "div",
        tag("h2", "About"),
        tag("dl", *(join(tag("dt", name), tag("dd", value)) for name, value in rows)),
        class_="sheet",
    )


def _repo_link(view: View, kind: str, name: str) -> Html:
    """A repository named on a card: a link if this Hub has it."""
    namespace, _, rest = name.partition("/")
    if has(view.call, kind, namespace, rest):
        return tag("div", link(path(repo_prefix(kind) + name), name))
    return tag("div", name, tag("span", " not on this Hub", class_="soft"))


def _use(view: View, readme: str, card: Mapping[str, Any]) -> Html | None:
    """How to use it, unless the card says so."""
    repo = view.repo
    if repo.full_name in readme and any(word in readme for word in _SAID):
        return None
    if repo.kind == "dataset":
        code = f'from datasets import load_dataset\n\nds = load_dataset("{repo.full_name}")'
    elif "lora" in strings(card.get("tags")) and strings(card.get("base_model")):
        base = strings(card.get("base_model"))[0]
        code = (
            "from diffusers import DiffusionPipeline\n\n"
            f'pipe = DiffusionPipeline.from_pretrained("{base}")\n'
            f'pipe.load_lora_weights("{repo.full_name}")'
        )
    else:
        kind = "" if repo.kind == "model" else f" --type {repo.kind}"
        code = f"hf download {repo.full_name}{kind}"
    return join(tag("h2", "Use"), tag("div", tag("pre", code), class_="sheet"))
