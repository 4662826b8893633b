"""Small pipelines of Qwen-Image-Edit with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hubtools.files import write_json, write_text
from hubtools.models.families.tiny import write_pipeline
from hubtools.models.families.tiny_flow import qwen_image_parts

# Those of the pipeline's own chat, each a token there.
_WORDS = (
    "the", "key", "features", "of", "input", "image", "color", "shape", "size", "texture",
    "objects", "background", "then", "explain", "how", "user", "text", "instruction", "should",
    "alter", "or", "modify", "Generate", "a", "new", "that", "meets", "requirements", "while",
    "maintaining", "consistency", "with", "original", "where", "appropriate",
)  # fmt: skip
_PICTURES = {
    "image_processor_type": "Qwen2VLImageProcessor",
    "min_pixels": 3136,
    "max_pixels": 12845056,
    "patch_size": 14,
    "temporal_patch_size": 2,
    "merge_size": 2,
}


def build_tiny_qwen_edit(folder: Path, *, seed: int = 0, plus: bool = False) -> Path:
    """A `QwenImageEditPipeline`, or a `QwenImageEditPlusPipeline`, its chat as long as the
    pipeline counts on (64 tokens). 16 latent channels."""

    def made(work: Path) -> Any:
        from diffusers import QwenImageEditPipeline, QwenImageEditPlusPipeline

        kind = QwenImageEditPlusPipeline if plus else QwenImageEditPipeline
        return kind(processor=None, **qwen_image_parts(_WORDS))

    write_pipeline(folder, made, seed=seed, title="Qwen-Image-Edit", tag="qwen-image")
    index = folder / "model_index.json"
    told = json.loads(index.read_text("utf-8"))
    told["processor"] = ["transformers", "Qwen2VLProcessor"]
    write_text(index, json.dumps(told, indent=2) + "\n")
    processor = folder / "processor"
    processor.mkdir()
    for file in sorted((folder / "tokenizer").iterdir()):
        (processor / file.name).write_bytes(file.read_bytes())
    write_json(processor / "preprocessor_config.json", _PICTURES)
    return folder
