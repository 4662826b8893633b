"""Texts with pictures in them, as Qwen's processor prepares them, without torchvision, which that
one asks for on behalf of films."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

PROCESSORS = ("Qwen2VLProcessor", "Qwen2_5_VLProcessor")
"""Those it stands for."""

_PICTURE = "<|image_pad|>"


class SeenText:
    """In the place of a `Qwen2VLProcessor`. Pictures are resized by Pillow."""

    def __init__(self, tokenizer: Any, pictures: Any) -> None:
        self.tokenizer, self.image_processor = tokenizer, pictures

    @classmethod
    def from_folder(cls, folder: Path) -> SeenText:
        """Of the component's folder. Raises `OSError` if a file is missing."""
        from transformers import AutoTokenizer
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import (
            Qwen2VLImageProcessorPil,
        )

        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        return cls(tokenizer, Qwen2VLImageProcessorPil.from_pretrained(folder))

    def __call__(
        self,
        text: Sequence[str],
        images: Image.Image | Sequence[Image.Image] | None = None,
        padding: bool = True,
        return_tensors: str = "pt",
    ) -> Any:
        """Tokens of `text`, each place for a picture as long as the text encoder makes of it, and
        the `images` in the order of their places, over all texts."""
        from transformers import BatchFeature

        found: dict[str, Any] = {}
        texts = list(text)
        if images is not None:
            found |= self.image_processor(images=images, return_tensors=return_tensors)
            merged = self.image_processor.merge_size**2
            lengths = iter((found["image_grid_thw"].prod(dim=1) // merged).tolist())
            texts = [_spread(one, lengths) for one in texts]
        found |= self.tokenizer(texts, padding=padding, return_tensors=return_tensors)
        return BatchFeature(data=found)


def _spread(text: str, lengths: Any) -> str:
    """`text` with as many places as each picture takes."""
    first, *rest = text.split(_PICTURE)
    return first + "".join(_PICTURE * next(lengths) + part for part in rest)
