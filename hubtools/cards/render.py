"""Write model and dataset cards from facts, keeping what people wrote."""

from __future__ import annotations

import difflib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.cards.facts import (
    DatasetCard,
    ModelCard,
    dataset_facts,
    image_name,
    model_facts,
)
from hubtools.cards.merge import Memory, merge
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath, write_bytes, write_text
from hubtools.inference.png import TEXT_KEY, parameters_text
from hubtools.layout import CARD, IMAGES_DIR, SAMPLES_DIR
from hubtools.manifest import SampleRecord
from hubtools.project import Project

MODEL_TEMPLATE, DATASET_TEMPLATE = "model_card.md.j2", "dataset_card.md.j2"
# A gallery picture larger than this is scaled down: the page loads all of them.
MAX_IMAGE_BYTES = 1_000_000
MAX_IMAGE_SIDE = 1024


@dataclass(frozen=True)
class CardResult:
    """A card that was written, or would be. `diff` is empty if nothing changes."""

    path: Path
    text: str
    diff: str
    images: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """True if the card's text is another one now."""
        return bool(self.diff)


def write_model_card(
    run_dir: StrPath, project: Project, *, template: Path | None = None, dry_run: bool = False
) -> CardResult:
    """Write `README.md` and `images/` of a run folder.

    `template`: folder with a `model_card.md.j2` to use instead of the shipped one. Raises
    `HubtoolsError` if the run has no LoRA, the licence cannot be told, or the template fails.
    """
    run_dir = Path(run_dir)
    card, records = model_facts(run_dir, project)
    body = _render(MODEL_TEMPLATE, card, template)
    result = _write(run_dir, card.front_matter, body, dry_run)
    images = tuple(image_name(index) for index in range(len(records)))
    if not dry_run:
        _write_images(run_dir, records)
        if card.license.id == "other":
            _write_notice(run_dir, card)
    return CardResult(result.path, result.text, result.diff, images)


def write_dataset_card(
    folder: StrPath, project: Project, *, template: Path | None = None, dry_run: bool = False
) -> CardResult:
    """Write `README.md` of a dataset folder; see `write_model_card`."""
    folder = Path(folder)
    card = dataset_facts(folder, project)
    body = _render(DATASET_TEMPLATE, card, template)
    return _write(folder, card.front_matter, body, dry_run)


def _write(folder: Path, data: dict[str, Any], body: str, dry_run: bool) -> CardResult:
    path = folder / CARD
    try:
        current = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        current = None
    except UnicodeDecodeError:
        raise HubtoolsError(f"{path} is not UTF-8.", hint="save it as UTF-8") from None
    text, memory = merge(current, data, body, Memory.read(folder))
    diff = "".join(
        difflib.unified_diff(
            (current or "").splitlines(keepends=True), text.splitlines(keepends=True), CARD, CARD
        )
    )
    if not dry_run:
        if diff:
            write_text(path, text)
        memory.write(folder)
    return CardResult(path, text, diff)


# --- templates -----------------------------------------------------------------------------------


def template_dir() -> Path:
    """Folder of the shipped templates, in an installed package or in a source checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "card_templates", package.parent / "card_templates"):
        if (folder / MODEL_TEMPLATE).is_file():
            return folder
    raise HubtoolsError("The card templates are missing.", hint="install hf-hubtools again")


def _render(name: str, card: ModelCard | DatasetCard, template: Path | None) -> str:
    from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    folder = template_dir()
    if template is not None:
        if not template.is_dir():
            raise HubtoolsError(f"There is no folder {template}.", hint="--template takes a folder")
        if (template / name).is_file():
            folder = template
    # Markdown, not HTML: escaping for it is what the filters below do.
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= {"md": markdown, "cell": cell, "code": code}
    try:
        text = environment.get_template(name).render(card=card)
    except TemplateError as error:
        line = getattr(error, "lineno", None) or _template_line(error, name)
        place = f"{folder / name}:{line}" if line else f"{folder / name}"
        raise HubtoolsError(
            f"{place}: {error.message}.", hint="docs/cards.md lists what a template may use"
        ) from None
    text = re.sub(r"(hubtools:end [\w-]+ -->)\n+(?=<!-- hubtools:begin)", r"\1\n\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).lstrip("\n")


def _template_line(error: BaseException, name: str) -> int | None:
    trace = error.__traceback__
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename.endswith(name):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


# What Markdown reads as something else anywhere in a line (not an underscore inside a word).
_SPECIAL = re.compile(r"([\\`*\[\]<>|]|(?<![^\W_])_|_(?![^\W_])|~~)")


def markdown(text: object) -> str:
    """Text that Markdown shows as it is, on one line."""
    line = " ".join(str(text).split()).replace("&", "&amp;")
    line = _SPECIAL.sub(r"\\\1", line).replace("\\<", "&lt;").replace("\\>", "&gt;")
    # at the beginning of a line a few more signs make headings, lists and quotes
    return re.sub(r"^([#+=-])", r"\\\1", re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", line))


def cell(text: object) -> str:
    """Text for a cell of a Markdown table."""
    return markdown(text)


def code(text: object) -> str:
    """Text between as many backticks as it takes."""
    line = " ".join(str(text).split())
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


# --- pictures and notices ------------------------------------------------------------------------


def _write_images(run_dir: Path, records: list[SampleRecord]) -> None:
    """Copy the gallery to images/NN.png, small enough for a page and with nothing inside but the
    parameters; pictures of an earlier card go."""
    folder = run_dir / IMAGES_DIR
    wanted = {image_name(index) for index in range(len(records))}
    for path in folder.glob("[0-9][0-9].png"):
        if f"{IMAGES_DIR}/{path.name}" not in wanted:
            path.unlink()
    for index, record in enumerate(records):
        data = _page_image(run_dir / SAMPLES_DIR / record.file, record)
        target = run_dir / image_name(index)
        if not target.is_file() or target.read_bytes() != data:
            write_bytes(target, data)


def _page_image(source: Path, record: SampleRecord) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(TEXT_KEY, parameters_text(record))
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    side = MAX_IMAGE_SIDE
    while True:
        small = picture
        if max(picture.size) > side:
            scale = side / max(picture.size)
            size = (round(picture.width * scale), round(picture.height * scale))
            small = picture.resize(size, Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, format="PNG", pnginfo=info, optimize=True)
        if buffer.tell() <= MAX_IMAGE_BYTES or side <= 128:
            return buffer.getvalue()
        side = side * 3 // 4


def _write_notice(run_dir: Path, card: ModelCard) -> None:
    """A LICENSE.md that passes the base's terms on; one that a person wrote stays."""
    path = run_dir / "LICENSE.md"
    if path.exists():
        return
    write_text(
        path,
        f"# {card.license.title}\n\n"
        f"This LoRA is a derivative of {card.base_model or 'its base model'} and is passed on under"
        f" the terms of the base model's licence, {card.license.title}.\n\n"
        f"The text of the licence: {card.license.link}\n",
    )
