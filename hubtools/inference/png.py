"""Pictures that carry the parameters they were drawn with."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path, PurePath

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hubtools.causes import says_nothing_of_file
from hubtools.files import json_value, open_regular
from hubtools.manifest import SampleRecord, read_record_of
from hubtools.parameters import TEXT_KEY
from hubtools.rooted import Root
from hubtools.rooted.outputs import check_output
from hubtools.summed import (
    DRAWN,
    JSON_SUM,
    is_summed_png,
    json_was_changed,
    summed_json,
    summed_png,
)

JSON_KEY = "hubtools"
SHOWN = ("PNG", "JPEG", "WEBP")  # what a record may lie beside; Pillow would run PostScript, too


_KEYS = {*SampleRecord.model_fields, JSON_SUM}
_ON_OFF = {None: None, True: "on", False: "off"}


def _further(record: SampleRecord) -> str | None:
    """`hash:weight` of the second LoRA and those after it."""
    return " ".join(f"{lora.sha256[:10]}:{lora.weight:g}" for lora in record.loras[1:]) or None


def parameters_text(record: SampleRecord) -> str:
    """The record in the three-line form that AUTOMATIC1111's web UI writes into its PNGs."""
    lines = [record.prompt]
    if record.negative_prompt:
        lines.append(f"Negative prompt: {record.negative_prompt}")
    facts = {
        "Steps": record.steps,
        "Sampler": record.scheduler,
        "CFG scale": record.guidance,
        "Guidance rescale": record.guidance_rescale or None,
        "Seed": record.seed,
        "Size": f"{record.width}x{record.height}",
        "Model": record.base_model,
        "LoRA hash": record.lora_sha256[:10] if record.lora_sha256 else None,
        "LoRA weight": record.lora_weight if record.lora_sha256 else None,
        "Further LoRAs": _further(record),
        "Prompt weights": _ON_OFF[record.prompt_weights],
    }
    lines.append(", ".join(f"{key}: {value}" for key, value in facts.items() if value is not None))
    return "\n".join(lines)


def check_free(folder: Root, file: str) -> None:
    """Raises `HubtoolsError` if `file` (`x.png`) or the JSON beside it is there and was not written
    by `save_picture`, or was changed since."""
    _check_picture(folder, file)
    _check_record(folder, str(PurePath(file).with_suffix(".json")))


def _check_picture(folder: Root, file: str) -> None:
    check_output(folder, file, "a picture", lambda data: is_summed_png(data, DRAWN))


def _check_record(folder: Root, file: str) -> None:
    check_output(folder, file, "a record", _is_record)


def _is_record(data: bytes) -> bool:
    try:
        SampleRecord.model_validate_json(data)
        return not json_was_changed(data) and json_value(data).keys() <= _KEYS
    except ValueError:
        return False


def save_picture(image: Image.Image, folder: Root, record: SampleRecord) -> None:
    """Write the file of `record` (PNG with its parameters) and `<stem>.json` beside it. The JSON
    comes last: where it is, the picture is whole. Raises `HubtoolsError` if something else has
    these names."""
    check_free(folder, record.file)
    info = PngInfo()
    info.add_itxt(TEXT_KEY, parameters_text(record))
    info.add_itxt(JSON_KEY, record.model_dump_json())
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", pnginfo=info)
    png = summed_png(buffer.getvalue(), DRAWN)
    folder.write(record.file, png, check=partial(_check_picture, folder, record.file))
    text = json.dumps(record.model_dump(), indent=2) + "\n"
    beside = str(PurePath(record.file).with_suffix(".json"))
    data = summed_json(text.encode("utf-8"))
    folder.write(beside, data, check=partial(_check_record, folder, beside))


def drawn_picture(path: Path) -> Image.Image:
    """A drawn PNG, in RGB. Raises `OSError`, also for what is none."""
    with open_regular(path) as file, Image.open(file, formats=("PNG",)) as opened:
        return opened.convert("RGB")


def record_inside(folder: Root, file: str) -> SampleRecord | None:
    """The record that a PNG of the folder carries; None if it is none of ours, or not there."""
    if not folder.is_file(file):
        return None
    try:
        with folder.open(file) as opened, Image.open(opened, formats=("PNG",)) as image:
            text = getattr(image, "text", {}).get(JSON_KEY)
        return SampleRecord.model_validate_json(text) if text else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if says_nothing_of_file(error):
            raise
        return None


def read_record(path: Path) -> SampleRecord | None:
    """The record inside a PNG, or beside it as JSON; None if there is none."""
    try:
        with open_regular(path) as file, Image.open(file, formats=SHOWN) as image:
            text = getattr(image, "text", {}).get(JSON_KEY)
        if text:
            return SampleRecord.model_validate_json(text)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if says_nothing_of_file(error):
            raise
        return None
    with Root(path.absolute().parent) as folder:
        return read_record_of(folder, path.with_suffix(".json").name)
