"""What a dataset card may say: only what a file or a setting says."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from hubtools.cardlinks import NOWHERE
from hubtools.cards.escape import hub_file
from hubtools.cards.merge import Memory, merge, own_words, read_card_text
from hubtools.dataset.described import Column, read_described, read_packed
from hubtools.dataset.examples import Example
from hubtools.dataset.folder.configs import split_configs
from hubtools.dataset.folder.listing import walk
from hubtools.dataset.pictures.embedded.chunks import png_without_pixels
from hubtools.dataset.pictures.embedded.exif_tags import orientation_of, stored_size
from hubtools.dataset.pictures.facts import PictureFacts, upright
from hubtools.dataset.pictures.header import kinds
from hubtools.dataset.rows import role_columns, shots_of
from hubtools.dataset.text.spoken import NAMES, languages_of
from hubtools.files import open_regular
from hubtools.findings import plural, shortened
from hubtools.frontmatter import read_card
from hubtools.layout import CARD, title_of
from hubtools.lorafile.provenance import hub_id
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.settings import DatasetSettings

_RIGHTS = {
    "own": "The pictures are the author's own work.",
    "permission": "The pictures are used with permission.",
    "synthetic": "The pictures are synthetic: made by a program, of nobody who exists.",
    "public-domain": "The pictures are in the public domain.",
    "licensed": "The pictures are used under a licence.",
}
_PEOPLE = {
    "nobody": "No people are shown.",
    "invented": "The people shown are invented: nobody who exists.",
    "author": "The person shown is the author.",
    "agreed": "The people shown agreed to these pictures and to their publication here.",
    "public-figures": "The people shown are public figures.",
    "unasked": "The people shown were not asked.",
}
_LOADED = re.compile(r'load_dataset\("([\w.-]+/[\w.-]+)"')
_LICENSE = re.compile(r"LICEN[SC]E(\.(md|txt))?$", re.IGNORECASE)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class DatasetCard:
    """What the template of a dataset card may use (as `card`)."""

    title: str
    repo: str | None
    pictures: str
    trigger: str | None
    caption_column: str
    content: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str, str], ...]  # (name, what it holds, an example)
    examples: tuple[tuple[str, str], ...]  # (file, caption)
    thumbnails: tuple[str, ...]  # addresses of the examples' pictures
    load_from: str
    rights_sentence: str | None
    license: str | None
    shots: tuple[tuple[str, str, str], ...] = ()  # of the shot plan: (shot, planned, found)
    unplanned: int = 0  # pictures of no shot that the plan names
    people_sentence: str | None = None
    how_made: str | None = None
    license_file: str | None = None  # its address in the repository, where there is one
    front_matter: dict[str, Any] = field(default_factory=dict)


def dataset_facts(folder: Path, project: Project) -> DatasetCard:
    """Gather the facts of a dataset folder. Raises `HubtoolsError` if it has no captions."""
    settings = project.dataset
    listing = walk(folder)
    tops_of_files = [entry.name for entry in listing.entries if "/" not in entry.name]
    tops = {entry.name.partition("/")[0] for entry in listing.entries if "/" in entry.name}
    configs = split_configs(
        (entry.name for entry in listing.metadata),
        (name for name in tops if not name.startswith((".", "__"))),
    )
    described = read_packed(folder, settings) or read_described(
        folder,
        settings.caption_column,
        card=_card_to_be(folder, {"configs": configs}),
        roles=role_columns(settings),
    )
    examples = list(described.examples)
    spoken = _spoken(examples, settings)
    looks = [_look(example, described.packed) for example in examples]
    sizes = Counter(size for size, _ in looks)
    words = sorted(len(example.caption.split()) for example in examples)
    repo = settings.repo or _named_before(folder)
    usual = sizes.most_common(4)
    sizes_text = ", ".join(f"{n} of {size}" if len(sizes) > 1 else size for size, n in usual)
    if others := len(examples) - sum(n for _, n in usual):
        sizes_text += f", {others} of other sizes"
    formats = sorted({"jpeg" if ending == "jpg" else ending for _, ending in looks})
    between = f"{words[0]} to {words[-1]}, median {words[len(words) // 2]}"
    content = [
        ("pictures", str(len(examples))),
        ("sizes", sizes_text),
        ("formats", ", ".join(formats)),
        *_partners(examples),
        ("caption column", settings.caption_column),
        *([("language of the captions", spoken.said)] if spoken.codes else []),
        ("words in a caption", between if words[0] < words[-1] else str(words[0])),
    ]
    shown = _spread(examples, 4)
    named = zip(described.rows, (e.file_name for e in examples), strict=True)
    shots, unplanned = shots_of(named, settings)
    license = read_card(folder / CARD).data.get("license") or settings.license
    card = DatasetCard(
        title=repo.partition("/")[2] if repo else title_of(folder),
        repo=repo,
        pictures=plural(len(examples), "picture"),
        trigger=settings.trigger,
        caption_column=settings.caption_column,
        content=tuple(content),
        columns=tuple((c.name, c.holds, _example(c)) for c in described.columns),
        examples=tuple((e.file_name, e.caption) for e in shown),
        thumbnails=() if described.packed else tuple(quote(e.file_name) for e in shown),
        load_from=repo or NOWHERE,
        rights_sentence=_sentences(_rights(settings), settings.rights_note),
        people_sentence=_sentences(_PEOPLE.get(settings.people or ""), settings.people_note),
        how_made=_sentences(settings.how_made),
        shots=tuple((s.name.replace("_", " "), s.range, str(len(s.pictures))) for s in shots),
        unplanned=len(unplanned),
        license_file=next((n for n in sorted(tops_of_files) if _LICENSE.match(n)), None),
        license=settings.license or (license if isinstance(license, str) else None),
    )
    size_category = next((name for limit, name in _SIZES if len(examples) < limit), "n>1M")
    data: dict[str, Any] = {}
    if settings.license:
        data["license"] = settings.license
    elif isinstance(license, str):  # it stands there already
        data["license"] = license
    if spoken.codes:
        data["language"] = list(spoken.codes)
    if (
        repo
        and not described.packed
        and (address := hub_file(f"datasets/{repo}", shown[0].file_name)) is not None
    ):
        data["thumbnail"] = address
    data |= {
        "pretty_name": card.title,
        "task_categories": ["image-to-image" if examples[0].controls else "text-to-image"],
        "size_categories": [size_category],
        "tags": ["image", "lora", "hubtools"],
    }
    if not described.packed:  # of shards `shard` has written them
        data["configs"] = configs
    if described.features is not None:
        data["dataset_info"] = {"features": described.features}
    card.front_matter.update(data)
    return card


def _named_before(folder: Path) -> str | None:
    """The repository that the code of the card names, where hubtools wrote that code here."""
    with Root(folder) as root:
        found = _LOADED.search(own_words(root).blocks.get("use", ""))
    return hub_id(found[1]) if found else None


class _Spoken(NamedTuple):
    """The languages of the captions: codes for the front matter, and how that is known."""

    codes: tuple[str, ...]
    said: str


def _spoken(examples: Sequence[Example], settings: DatasetSettings) -> _Spoken:
    if settings.languages:
        codes = tuple(dict.fromkeys(settings.languages))
        return _Spoken(codes, ", ".join(NAMES.get(code, code) for code in codes))
    found, total = languages_of(example.caption for example in examples)
    shown = ", ".join(f"{one.name} ({one.captions} of {total} captions)" for one in found)
    return _Spoken(tuple(one.code for one in found), f"{shown}, by their words")


def _rights(settings: DatasetSettings) -> str | None:
    if settings.rights == "synthetic" and settings.people is not None:
        return "The pictures are synthetic: made by a program."
    return _RIGHTS.get(settings.rights or "")


def _sentences(*texts: str | None) -> str | None:
    """Put together, each with its full stop; None if there are none."""
    said = [" ".join(text.split()) for text in texts if text and text.strip()]
    return " ".join(text if text.endswith((".", "!", "?")) else f"{text}." for text in said) or None


def _example(column: Column) -> str:
    first = column.first
    return shortened(first if isinstance(first, str) else json.dumps(first, default=str), 100)


def _partners(examples: Sequence[Example]) -> Iterator[tuple[str, str]]:
    """Lines about the pictures beside those to learn, if there are any."""
    controls = sum(len(example.controls) for example in examples)
    masks = sum(example.mask is not None for example in examples)
    if controls:
        yield "control pictures", f"{controls}, from which the pictures are to be made"
    if masks:
        yield "masks", f"{masks}, white where a picture is to be learnt"


def _card_to_be(folder: Path, data: dict[str, Any]) -> str:
    """The folder's card with `data` in it: what the new card declares decides what is loaded."""
    with Root(folder) as root:
        return merge(read_card_text(root), data, "", Memory.read(root))[0]


def _look(example: Example, packed: Mapping[str, PictureFacts] | None) -> tuple[str, str]:
    """(size, format) of a picture, as `64x96` and `png`."""
    if packed is not None:
        facts = packed[example.file_name]
        return "{}x{}".format(*facts.upright_size), (facts.format or "").lower()
    return _size_of(example.image), example.image.suffix.lower().lstrip(".")


def _size_of(path: Path) -> str:
    from PIL import Image

    with open_regular(path) as file, Image.open(file, formats=kinds()) as picture:
        data = b""
        if picture.format == "PNG":  # its tags may lie anywhere
            file.seek(0)
            data = png_without_pixels(file)
        return "{}x{}".format(*upright(*stored_size(picture), orientation_of(picture, data)))


def _spread(items: list[Any], count: int) -> list[Any]:
    """`count` items from all over the list."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
