"""Small pipelines with random weights, for rehearsals and tests: here Stable Diffusion.

Everything about it is real but its knowledge: stock diffusers loads it, trains it and draws with
it, and what it draws is noise.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from hubtools.causes import is_absent
from hubtools.errors import HubtoolsError
from hubtools.fences import forget
from hubtools.files import write_text
from hubtools.models.base import RANDOM_WEIGHTS_KEY
from hubtools.quiet import hush
from hubtools.renaming import rename_new

# Words that get a token of their own; all others are spelt letter by letter, which is correct but
# long, and a caption has room for 75 tokens.
COMMON_WORDS = [
    "a",
    "an",
    "and",
    "are",
    "at",
    "background",
    "black",
    "blue",
    "blurry",
    "body",
    "bright",
    "brown",
    "by",
    "camera",
    "cheerful",
    "city",
    "clean",
    "clear",
    "close",
    "closed",
    "coat",
    "colour",
    "crossed",
    "dark",
    "day",
    "deformed",
    "detailed",
    "distorted",
    "dress",
    "expression",
    "eyes",
    "face",
    "facial",
    "features",
    "figure",
    "food",
    "forest",
    "front",
    "full",
    "gentle",
    "girl",
    "glasses",
    "golden",
    "green",
    "grey",
    "hair",
    "hands",
    "happy",
    "hat",
    "headshot",
    "high",
    "hoodie",
    "in",
    "indoor",
    "is",
    "jacket",
    "japanese",
    "laughing",
    "lavender",
    "left",
    "light",
    "lighting",
    "looking",
    "lora",
    "man",
    "misato",
    "mint",
    "natural",
    "neutral",
    "night",
    "of",
    "on",
    "open",
    "orange",
    "outdoor",
    "outfit",
    "painting",
    "pale",
    "park",
    "peach",
    "person",
    "photo",
    "pink",
    "plain",
    "pop",
    "portrait",
    "pose",
    "profile",
    "professional",
    "purple",
    "quality",
    "quarter",
    "red",
    "render",
    "right",
    "sad",
    "scarf",
    "school",
    "serious",
    "shirt",
    "side",
    "sign",
    "skirt",
    "sky",
    "smile",
    "smiling",
    "smirk",
    "soft",
    "standing",
    "street",
    "studio",
    "style",
    "subject",
    "summer",
    "sunny",
    "surprised",
    "sweater",
    "teal",
    "the",
    "three",
    "to",
    "token",
    "top",
    "uniform",
    "view",
    "walking",
    "warm",
    "waving",
    "wearing",
    "white",
    "wide",
    "wink",
    "winking",
    "winter",
    "with",
    "woman",
    "yellow",
    "young",
    "billboard",
    "poorly",
    "drawn",
    "disfigured",
    "ad",
    "90s",
    "anime",
    "words",
]

_CARD = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
tags:
- text-to-image
- {tag}
---

# A tiny {title} pipeline with random weights

It has never seen a picture: whatever the prompt, it draws noise. hubtools builds it on the spot
to try the journey from pictures to a published LoRA without downloading anything. Use it for
nothing else.
"""


def build_tiny_pipeline(
    folder: Path,
    *,
    seed: int = 0,
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon",
    size: int = 64,
) -> Path:
    """Write a `StableDiffusionPipeline` folder and return it. The same seed gives the same bytes.

    `size`: native side in pixels, a multiple of 16. VAE factor 8, 4 latent channels, one CLIP text
    encoder of 77 positions, about 1 M parameters. Built beside `folder` and renamed into place.
    """

    def made(work: Path) -> Any:
        from diffusers import PNDMScheduler, StableDiffusionPipeline
        from diffusers import UNet2DConditionModel as UNet
        from transformers import CLIPTextConfig, CLIPTextModel

        tokenizer, ids = clip_tokenizer(work)
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                hidden_size=32,
                intermediate_size=64,
                projection_dim=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                **ids,
            )
        )
        vae = tiny_vae(size)
        unet = UNet(
            sample_size=size // 8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(32, 64),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=1,
            cross_attention_dim=32,
            attention_head_dim=8,
            norm_num_groups=8,
        )
        scheduler = PNDMScheduler(
            **BETAS,
            prediction_type=prediction_type,
            skip_prk_steps=True,
            steps_offset=1,
            set_alpha_to_one=False,
        )
        return StableDiffusionPipeline(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            unet=unet,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    return write_pipeline(folder, made, seed=seed)


BETAS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}


def tiny_vae(size: int) -> Any:
    """A VAE of factor 8 and 4 channels for pictures of `size` pixels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=size,
    )


def clip_tokenizer(folder: Path, **options: Any) -> tuple[Any, dict[str, int]]:
    """A tokenizer of 77 positions, its files in `folder`, and what its text encoder is told."""
    from transformers import CLIPTokenizer

    vocabulary = write_tokenizer(folder, COMMON_WORDS)
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    return CLIPTokenizer(*files, model_max_length=77, **options), {
        "vocab_size": vocabulary,
        "max_position_embeddings": 77,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }


def write_pipeline(
    folder: Path,
    made: Callable[[Path], Any],
    *,
    seed: int,
    title: str = "Stable Diffusion",
    tag: str = "stable-diffusion",
) -> Path:
    """Write the pipeline that `made` answers, its random weights drawn from `seed`, to `folder`,
    marked as what it is; answers the folder. `made` gets a folder for files of its own; `title` and
    `tag` of the family are for the card. Built beside `folder` and renamed into place."""
    hush()
    import torch

    if folder.is_symlink() or (folder.exists() and not _is_ours(folder)):
        raise _not_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".tmp-base-", dir=folder.parent))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            pipeline = made(work)
        built = work / "pipeline"
        pipeline.save_pretrained(str(built), safe_serialization=True)
        _mark(built, _CARD.format(title=title, tag=tag))
        _place(built, folder, work / "was")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def _not_ours(folder: Path) -> HubtoolsError:
    return HubtoolsError(
        f"{folder} is there and is not a pipeline of random weights.",
        hint="give another folder, or move it away",
        code="file-exists",
    )


def _place(built: Path, folder: Path, aside: Path) -> None:
    """Give a folder its name; the earlier one is looked at where nobody else puts something."""
    with suppress(FileNotFoundError):
        rename_new(str(folder), str(aside), {}, {})
        forget(folder)
        if aside.is_symlink() or not _is_ours(aside):
            rename_new(str(aside), str(folder), {}, {})
            raise _not_ours(folder)
    try:
        rename_new(str(built), str(folder), {}, {})
    except FileExistsError:
        raise _not_ours(folder) from None


def write_tokenizer(folder: Path, words: Iterable[str]) -> int:
    """Write vocab.json and merges.txt of a byte-pair tokenizer with a token for each of `words`
    (lower case) that spells everything else; answers the size of the vocabulary."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    merges: dict[tuple[str, str], None] = {}
    for word in sorted(set(words)):
        # From the end: a merge that holds the end of the word fits nowhere else, so that no other
        # word's merge can come in between, as it would with merges from the start.
        built = word[-1] + "</w>"
        for letter in reversed(word[:-1]):
            if (letter, built) not in merges:
                merges[letter, built] = None
                tokens.append(letter + built)
            built = letter + built
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    write_text(folder / "vocab.json", json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    write_text(folder / "merges.txt", "\n".join(lines) + "\n")
    return len(vocabulary)


def _is_ours(folder: Path) -> bool:
    """An empty folder, or one that `build_tiny_pipeline` has written."""
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        content = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    except OSError as error:
        if not is_absent(error):
            raise
        return False
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get(RANDOM_WEIGHTS_KEY) is True


def _mark(folder: Path, card: str) -> None:
    index = folder / "model_index.json"
    content: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
    content[RANDOM_WEIGHTS_KEY] = True
    # Where it was built is nobody's business, and would change the bytes.
    for file in folder.rglob("*config.json"):
        config = json.loads(file.read_text(encoding="utf-8"))
        if config.pop("_name_or_path", None) is not None:
            write_text(file, json.dumps(config, indent=2) + "\n")
    write_text(index, json.dumps(content, indent=2) + "\n")
    write_text(folder / "README.md", card)
