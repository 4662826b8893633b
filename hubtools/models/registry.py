"""What captions and pictures are for: how many tokens each text encoder of a model reads, and the
size in pixels that the model was made for.

Windows are those of diffusers 0.42's pipelines (`max_sequence_length`, `tokenizer_max_length`);
`marks` are tokens that a pipeline adds: beginning and end, or the words of a chat around the
caption. A model of a table row is known by its Hub id or by the class that its pipeline names.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from hubtools.files import StrPath, json_within

TargetName = Literal[
    "sd15", "sd2", "sdxl", "sd3", "flux", "flux2", "z-image", "qwen-image", "chroma", "lumina2",
    "sana", "pixart", "hidream", "kolors",
]  # fmt: skip


@dataclass(frozen=True)
class Encoder:
    """A text encoder: `window` tokens at once, `marks` of which are not the caption's. `folder` of
    the pipeline holds its tokenizer."""

    name: str
    window: int
    marks: int = 1
    folder: str = "tokenizer"

    @property
    def room(self) -> int:
        """Tokens a caption may have."""
        return self.window - self.marks


@dataclass(frozen=True)
class Target:
    """A kind of model. `size` in pixels, of a square picture; `encoders` from narrow to wide."""

    name: TargetName
    title: str
    size: int
    encoders: tuple[Encoder, ...]


CLIP = Encoder("CLIP", 77, 2)


def _t5(window: int, folder: str = "tokenizer") -> Encoder:
    return Encoder("T5", window, 1, folder)


_ALL = (
    Target("sd15", "Stable Diffusion 1", 512, (CLIP,)),
    Target("sd2", "Stable Diffusion 2", 768, (CLIP,)),
    Target("sdxl", "SDXL", 1024, (CLIP,)),
    Target("sd3", "Stable Diffusion 3", 1024, (CLIP, _t5(256, "tokenizer_3"))),
    Target("flux", "FLUX.1", 1024, (CLIP, _t5(512, "tokenizer_2"))),
    Target("flux2", "FLUX.2", 1024, (Encoder("its language model", 512, 50),)),
    Target("z-image", "Z-Image", 1024, (Encoder("Qwen3", 512, 12),)),
    Target("qwen-image", "Qwen-Image", 1328, (Encoder("Qwen2.5-VL", 512, 5),)),
    Target("chroma", "Chroma", 1024, (_t5(512),)),
    Target("lumina2", "Lumina-Image 2", 1024, (Encoder("Gemma", 256, 60),)),
    Target("sana", "Sana", 1024, (Encoder("Gemma", 300, 2),)),
    Target("pixart", "PixArt", 1024, (_t5(300),)),
    Target(
        "hidream",
        "HiDream-I1",
        1024,
        (CLIP, _t5(128, "tokenizer_3"), Encoder("Llama", 128, 1, "tokenizer_4")),
    ),
    Target("kolors", "Kolors", 1024, (Encoder("ChatGLM", 256, 2),)),
)
TARGETS: dict[str, Target] = {target.name: target for target in _ALL}

# Hub id, in lower case -> target; first match decides.
_IDS: tuple[tuple[str, TargetName, int | None], ...] = (
    (r"stable-diffusion-2(-1)?-base$|/sd-turbo$", "sd2", 512),
    (r"/stable-diffusion-2", "sd2", None),
    (r"stable-diffusion-xl|sdxl|realvisxl|playground-v2|animagine-xl", "sdxl", None),
    (r"stable-diffusion-3", "sd3", None),
    (r"stable-diffusion-v1|/stable-diffusion-1|dreamshaper$|openjourney", "sd15", None),
    (r"flux\.?2|flux-2", "flux2", None),
    (r"flux\.?1|flux-1", "flux", None),
    (r"z-image", "z-image", None),
    (r"qwen-image", "qwen-image", None),
    (r"/chroma", "chroma", None),
    (r"lumina-image-2", "lumina2", None),
    (r"/sana", "sana", None),
    (r"pixart", "pixart", None),
    (r"hidream", "hidream", None),
    (r"/kolors", "kolors", None),
)  # fmt: skip
# Beginning of a pipeline's class name -> target; StableDiffusionPipeline itself is looked into.
_CLASSES: tuple[tuple[str, TargetName], ...] = (
    ("StableDiffusionXL", "sdxl"),
    ("StableDiffusion3", "sd3"),
    ("Flux2", "flux2"),
    ("Flux", "flux"),
    ("ZImage", "z-image"),
    ("QwenImage", "qwen-image"),
    ("Chroma", "chroma"),
    ("Lumina2", "lumina2"),
    ("Lumina", "lumina2"),
    ("Sana", "sana"),
    ("PixArt", "pixart"),
    ("HiDream", "hidream"),
    ("Kolors", "kolors"),
    ("StableDiffusion", "sd15"),
)


def target_of(base: StrPath) -> Target | None:
    """The target of a base model: a pipeline folder or a Hub id (its copy in the local cache is
    looked at, if there is one). None if nothing tells."""
    folder = folder_of(base)
    if folder is not None and (found := _of_folder(folder)):
        return found
    text = str(base).lower()
    if text.count("/") != 1:
        return None  # a folder that tells nothing
    for pattern, name, size in _IDS:
        if re.search(pattern, text):
            return replace(TARGETS[name], size=size) if size else TARGETS[name]
    return None


def folder_of(base: StrPath) -> Path | None:
    """The folder of a pipeline: `base` itself, or the Hub's cache of that id. Nothing is asked of
    the Hub."""
    folder = Path(base).expanduser()
    if folder.is_dir():
        return folder
    if str(base).count("/") != 1:
        return None
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not cache:
        home = os.environ.get("HF_HOME")
        if not home:
            home = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "huggingface")
        cache = os.path.join(home, "hub")
    place = Path(cache).expanduser() / f"models--{str(base).replace('/', '--')}"
    try:
        revision = (place / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    found = place / "snapshots" / revision
    return found if revision and found.is_dir() else None


def _of_folder(folder: Path) -> Target | None:
    kind = _json(folder / "model_index.json").get("_class_name")
    if not isinstance(kind, str):
        return None
    name = next((name for beginning, name in _CLASSES if kind.startswith(beginning)), None)
    if name is None:
        return None
    denoiser = _json(folder / "unet" / "config.json")
    if name == "sd15" and denoiser.get("cross_attention_dim") == 1024:
        name = "sd2"
    target = TARGETS[name]
    side, channels = (
        denoiser.get("sample_size"),
        _json(folder / "vae" / "config.json").get("block_out_channels"),
    )
    if isinstance(side, int) and isinstance(channels, list) and 0 < side <= 1024:
        return replace(target, size=side * 2 ** max(0, len(channels) - 1))
    return target


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json_within(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
