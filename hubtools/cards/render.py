"""Write model and dataset cards from facts, keeping what people wrote."""

from __future__ import annotations

import difflib
import io
import os
import re
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.cardlinks import gallery_files, linked_files, names_meant
from hubtools.cards.dataset_facts import DatasetCard, dataset_facts
from hubtools.cards.earlier import Earlier, earlier_card
from hubtools.cards.escape import cell, code, markdown
from hubtools.cards.foreign_facts import said_by_settings
from hubtools.cards.kept import wrote_card
from hubtools.cards.merge import Memory, merge, read_card_text
from hubtools.cards.model_card import ModelCard
from hubtools.cards.model_facts import model_facts
from hubtools.cards.rendering import render_own, render_shipped
from hubtools.cards.showing import Shown
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath
from hubtools.frontmatter import parse
from hubtools.inference.png import parameters_text
from hubtools.layout import CARD, IMAGES_DIR
from hubtools.licensing.resolve import License
from hubtools.manifest import SampleRecord
from hubtools.parameters import TEXT_KEY
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.rooted.outputs import check_output
from hubtools.summed import is_summed_png, summed_png

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["CardResult", "cell", "code", "markdown", "write_dataset_card", "write_model_card"]

MODEL_TEMPLATE, DATASET_TEMPLATE = "model_card.md.j2", "dataset_card.md.j2"
NOTICE = "LICENSE.md"
# A gallery picture larger than this is scaled down: the page loads all of them.
MAX_IMAGE_BYTES = 1_000_000
MAX_IMAGE_SIDE = 1024
MAX_PIXELS = 64_000_000  # of a sample


@dataclass(frozen=True)
class CardResult:
    """A card that was written, or would be. `diff` is empty if nothing changes."""

    path: Path
    text: str
    diff: str
    images: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # sentences for whoever has it written
    command: str | None = None  # what mends the LoRA itself, as it is typed

    @property
    def changed(self) -> bool:
        """True if the card's text is another one now."""
        return bool(self.diff)


def write_model_card(
    run_dir: StrPath,
    project: Project,
    *,
    template: Path | None = None,
    dry_run: bool = False,
    renew: bool = False,
    into: Path | None = None,
) -> CardResult:
    """Write `README.md` and `images/` of a run folder, or of a folder with a LoRA from elsewhere.

    `template`: folder with a `model_card.md.j2` to use instead of the shipped one. `renew`: write
    the keys and blocks of hubtools anew also where a person has changed them. `into`: another
    folder, an empty one, to write them to. Raises `HubtoolsError` if the run has no LoRA, the
    licence cannot be told, or the template fails.
    """
    run_dir = Path(run_dir)
    carried = earlier_card(run_dir)
    card, shown = model_facts(run_dir, project, carried.own if carried else None)
    body = _render(MODEL_TEMPLATE, card, template)
    images = tuple(one.name for one in shown)
    told = said_by_settings(project)
    with Root(run_dir) as root:
        for name in images:
            _check_picture(root, name)
        noticed = root.exists(NOTICE)  # one that a person wrote stays
    result = _write(run_dir, card.front_matter, body, dry_run, renew, told, carried, into)
    if not dry_run:
        place = into or run_dir
        _write_images(place, shown, result.text)
        if card.license is not None and card.license.id == "other" and not noticed:
            _write_notice(place, card, card.license)
    notes = (*card.notes, carried.told) if carried else card.notes
    return CardResult(result.path, result.text, result.diff, images, notes, card.command)


def write_dataset_card(
    folder: StrPath,
    project: Project,
    *,
    template: Path | None = None,
    dry_run: bool = False,
    renew: bool = False,
    into: Path | None = None,
) -> CardResult:
    """Write `README.md` of a dataset folder; see `write_model_card`."""
    folder = Path(folder)
    card = dataset_facts(folder, project)
    body = _render(DATASET_TEMPLATE, card, template)
    told = frozenset({"license"}) if "dataset.license" in project.given else frozenset()
    return _write(folder, card.front_matter, body, dry_run, renew, told, into=into)


def _write(
    folder: Path,
    data: dict[str, Any],
    body: str,
    dry_run: bool,
    renew: bool,
    told: frozenset[str],
    carried: Earlier | None = None,
    into: Path | None = None,
) -> CardResult:
    with Root(folder) as root:
        root.keep_private()
        current = read_card_text(root)
        before, known = carried[:2] if carried else (current, Memory.read(root))
        text, memory = merge(before, data, body, known, renew=renew, told=told)
        diff = "".join(
            difflib.unified_diff(
                (current or "").splitlines(keepends=True),
                text.splitlines(keepends=True),
                CARD,
                CARD,
            )
        )
        if not dry_run and into is None:
            if diff:
                was = None if current is None else current.encode("utf-8")
                root.write_over(CARD, text.encode("utf-8"), was)
                wrote_card(root, was, text.encode("utf-8"))
            memory.write(root)
    if not dry_run and into is not None:
        with Root(into) as root:
            root.write_over(CARD, text.encode("utf-8"), None)
    return CardResult((into or folder) / CARD, text, diff)


# --- templates -----------------------------------------------------------------------------------


def template_dir() -> Path:
    """Folder of the shipped templates, in an installed package or in a source checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "card_templates", package.parent / "card_templates"):
        if (folder / MODEL_TEMPLATE).is_file():
            return folder
    raise HubtoolsError(
        "The card templates are missing.", hint="install hf-hubtools again", code="file-not-found"
    )


def _render(name: str, card: ModelCard | DatasetCard, template: Path | None) -> str:
    if template is not None and not template.is_dir():
        raise HubtoolsError(
            f"There is no folder {template}.",
            hint="--template takes a folder",
            code="file-not-found",
            missing=template,
        )
    if template is not None and os.path.lexists(template / name):
        text = render_own(template, name, card)
    else:
        text = render_shipped(template_dir(), name, card)
    text = re.sub(r"(hubtools:end [\w-]+ -->)\n+(?=<!-- hubtools:begin)", r"\1\n\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).lstrip("\n")


# --- pictures and notices ------------------------------------------------------------------------


def _write_images(run_dir: Path, shown: Sequence[Shown], text: str) -> None:
    """Copy samples to the pictures of the card, small enough for a page and with nothing inside but
    the parameters; those of an earlier card go, if nobody changed them and the card's `text` does
    not name them."""
    wanted = {one.name for one in shown} | _named_in(text)
    with Root(run_dir) as root:
        root.keep_private()
        for entry in root.list(IMAGES_DIR):
            name = f"{IMAGES_DIR}/{entry}"
            if re.fullmatch(r"(base_)?\d\d\.png", entry) and name not in wanted:
                with suppress(HubtoolsError):  # somebody's own
                    root.unlink(name, missing_ok=True, check=partial(_check_picture, root, name))
        for target, name, record, folder in shown:
            with Root(folder) as samples:
                data = _page_image(samples, name, record)
            if not root.is_file(target) or root.read(target) != data:
                # one that was painted on since the first look
                root.write(target, data, check=partial(_check_picture, root, target))


def _check_picture(root: Root, name: str) -> None:
    check_output(root, name, "a picture of the gallery", is_summed_png)


def _named_in(text: str) -> set[str]:
    """The files that a card shows or links, a person's words included."""
    card = parse(text)
    named = [url for _, url in gallery_files(card.data)]
    named += [target for target, _ in linked_files(card.body)]
    return {meant for name in named for meant in names_meant(name)}


def _page_image(root: Root, name: str, record: SampleRecord | None) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if record is not None:
        info.add_itxt(TEXT_KEY, parameters_text(record))
    picture = _opened(root, name)
    side = MAX_IMAGE_SIDE
    while True:
        small = picture
        if max(picture.size) > side:
            scale = side / max(picture.size)
            size = (round(picture.width * scale), round(picture.height * scale))
            small = picture.resize(size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, format="PNG", pnginfo=info, optimize=True)
        data = summed_png(buffer.getvalue())
        if len(data) <= MAX_IMAGE_BYTES or side <= 128:
            return data
        side = side * 3 // 4


def _opened(root: Root, name: str) -> Image.Image:
    """A picture of the samples, of a size that memory has room for."""
    from PIL import Image, UnidentifiedImageError

    place = root.path / name
    with root.open(name) as file:
        try:
            with Image.open(file, formats=("PNG", "JPEG", "WEBP")) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise HubtoolsError(
                        f"{place} has more than {MAX_PIXELS // 1_000_000} megapixels.",
                        hint="no sample is that large; remove it",
                        code="too-large",
                    )
                return opened.convert("RGB")
        except UnidentifiedImageError:
            raise HubtoolsError(
                f"{place} is no picture.", hint="draw it again", code="wrong-kind"
            ) from None
        except (Image.DecompressionBombError, SyntaxError, ValueError, struct.error) as error:
            raise HubtoolsError(
                f"{place} cannot be read as a picture: {error}.",
                hint="draw it again",
                code="file-damaged",
            ) from None


def _write_notice(run_dir: Path, card: ModelCard, license: License) -> None:
    """A LICENSE.md that passes the base's terms on."""
    with Root(run_dir) as root:
        root.keep_private()
        title = markdown(license.title)
        base = markdown(card.base_model) if card.base_model else "its base model"
        root.write_over(
            NOTICE,
            (
                f"# {title}\n\n"
                f"This LoRA is a derivative of {base} and is passed on under"
                f" the terms of the base model's licence, {title}.\n\n"
                f"The text of the licence: {license.link}\n"
            ).encode(),
            None,
        )
