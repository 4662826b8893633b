"""The pictures and captions a trainer sees, in the order of the metadata."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Listing, walk
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, Row, read_metadata
from hubtools.dataset.pictures.header import opened
from hubtools.errors import HubtoolsError
from hubtools.files import read_within, write_text
from hubtools.layout import cache_dir
from hubtools.limits import PICTURE

if TYPE_CHECKING:
    from PIL import Image

    from hubtools.dataset.shards.stored import Stored

# Folder names that the loaders take for splits other than train.
HELD_OUT = frozenset({"validation", "valid", "dev", "val", "test", "testing", "eval", "evaluation"})


@dataclass(frozen=True)
class Example:
    """A picture with its caption. `line` is that of its record, where the format has lines."""

    image: Path
    caption: str
    file_name: str  # relative to the dataset folder, with /
    line: int | None = None


def read_examples(folder: Path, caption_column: str) -> list[Example]:
    """All training pictures of an imagefolder with metadata.

    Metadata at the root and in sub-folders both count; sub-folders that the loaders would take for
    a test or validation split are left out. Raises `HubtoolsError` with file and line for a record
    that cannot be trained on: it is never skipped.
    """
    listing = walk(folder)
    files = [read_metadata(folder, entry) for entry in listing.metadata]
    files = [file for file in files if file.name.split("/")[0].lower() not in HELD_OUT]
    if not files:
        raise HubtoolsError(
            f"{folder} has no metadata.jsonl: there are no captions to train on.",
            hint="write one JSON object a line with file_name and a caption;"
            f" `hubtools validate {folder}` tells more",
        )
    for file in files:
        for trouble in file.troubles[:1]:
            place = f"{folder / file.name}:{trouble.line}" if trouble.line else folder / file.name
            raise HubtoolsError(
                f"{place}: {trouble.message}.", hint=f"`hubtools validate {folder}` tells more"
            )
    examples = [
        _example(folder, listing, file, row, caption_column) for file in files for row in file.rows
    ]
    if not examples:
        raise HubtoolsError(f"{folder} holds no records.", hint="write one record a picture")
    return examples


def _example(
    folder: Path, listing: Listing, file: MetadataFile, row: Row, caption_column: str
) -> Example:
    place = f"{folder / file.name}" + (f":{row.line}" if row.line else "")
    name = row.picture
    if name is None:
        raise HubtoolsError(f"{place}: the record has no {FILE_NAME}.", hint="name its picture")
    if name.startswith(("../", "/")) or os.path.isabs(name):
        raise HubtoolsError(f"{place}: {name} lies outside the dataset folder.")
    if name not in listing.names:
        raise HubtoolsError(
            f"{place}: there is no picture {name}.", hint="correct the name or add the picture"
        )
    caption = row.values.get(caption_column)
    if caption_column not in row.values:
        columns = [column for column in file.columns if column != FILE_NAME]
        raise HubtoolsError(
            f"{place}: there is no column {caption_column!r}.",
            hint=f"columns: {', '.join(columns) or 'none'}; choose with --caption-column",
        )
    if not isinstance(caption, str):
        raise HubtoolsError(
            f"{place}: {caption_column} is {caption!r}, not a text.", hint="write a caption"
        )
    return Example(folder / name, caption, name, row.line)


def fingerprint(examples: Sequence[Example]) -> str:
    """SHA-256 over each picture's bytes and caption, in order: equal data, equal fingerprint."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(hashlib.sha256(read_within(example.image, PICTURE)).digest())
        digest.update(hashlib.sha256(example.caption.encode()).digest())
    return digest.hexdigest()


def open_image(path: Path) -> Image.Image:
    """The picture as a trainer should see it: RGB, upright, first frame.

    Transparency is laid over white (a bare `convert("RGB")` shows whatever colour hides under
    it), 16-bit and float grey is scaled to 8 bits (Pillow clips it to white or black).
    Raises `HubtoolsError` for a file that is no whole picture.
    """
    from PIL import Image, ImageOps

    try:
        with opened(read_within(path, PICTURE)) as found:
            found.load()
            picture = ImageOps.exif_transpose(found)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise HubtoolsError(
            f"{path} cannot be read as a picture: {error}.", hint="export it again as PNG or JPEG"
        ) from None
    return to_rgb(picture)


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any Pillow picture as 8-bit RGB; see `open_image`."""
    from PIL import Image

    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith("I") or picture.mode == "F":
        return _scaled(picture).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return picture.convert("RGB")


def _scaled(picture: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(picture, dtype=np.float64)
    if picture.mode == "F":
        top = 1.0 if values.max(initial=0) <= 1.0 else 255.0
    else:
        top = 65535.0 if values.max(initial=0) > 255 or picture.mode.startswith("I;16") else 255.0
    return Image.fromarray((values / top * 255).clip(0, 255).round().astype(np.uint8))


# --- from the Hub ------------------------------------------------------------------------------


def fetch_dataset(repo: str, revision: str | None = None) -> tuple[Path, str]:
    """Download a dataset repository and give (folder, commit hash).

    A repository of parquet shards (as `push_to_hub` writes) is unpacked into pictures and a
    metadata.jsonl in hubtools' cache, once.
    """
    from huggingface_hub import snapshot_download

    folder = Path(snapshot_download(repo, repo_type="dataset", revision=revision))
    commit = folder.name
    listing = walk(folder)
    shards = [
        e.name for e in listing.entries if e.ending == ".parquet" and not _is_metadata(e.name)
    ]
    if listing.pictures or not shards:
        return folder, commit
    return _unpacked(folder, shards, repo, commit), commit


def _is_metadata(name: str) -> bool:
    return name.rpartition("/")[2].startswith("metadata.")


def _unpacked(folder: Path, shards: list[str], repo: str, commit: str) -> Path:
    target = cache_dir() / "datasets" / repo.replace("/", "--") / commit
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".tmp-", dir=target.parent))
    try:
        _unpack(folder, shards, work)
        os.replace(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _unpack(folder: Path, shards: list[str], target: Path) -> None:
    import json

    from hubtools.dataset.shards.stored import open_shard

    lines: list[str] = []
    for shard in shards:
        for stored in open_shard(folder / shard):
            row = _unpack_row(stored, len(lines), target)
            lines.append(json.dumps(row, default=str))
    if not lines:
        raise HubtoolsError(f"{folder} holds no rows.")
    write_text(target / "metadata.jsonl", "\n".join(lines) + "\n")


def _unpack_row(stored: Stored, number: int, target: Path) -> dict[str, Any]:
    for key, data in stored.pictures.items():
        ending = Path(str(stored.values.get(key) or "")).suffix
        if ending.lower() not in PICTURE_ENDINGS:
            ending = ".png"
        name = f"{number:06d}{ending}"
        (target / name).write_bytes(data)
        rest = {
            column: value
            for column, value in stored.values.items()
            if not column.endswith(FILE_NAME) and not isinstance(value, dict)
        }
        return {FILE_NAME: name, **rest}
    raise HubtoolsError(
        f"Row {number + 1} of the dataset holds no picture.",
        hint="training needs an image column with the pictures inside the parquet files",
    )
