"""Whether the configuration files of a pipeline agree with each other, judged before a weight is
opened. The libraries find out in the middle of a run, in words that name no file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from hubtools.errors import HubtoolsError
from hubtools.modelfiles import read_json
from hubtools.models.registry import DENOISER_CONFIGS, TEXT_ENCODERS
from hubtools.models.rows import Denoiser

# What some scheduler of diffusers 0.42 knows.
_KNOWN = {
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid", "laplace", "exp"),
    "timestep_spacing": ("leading", "linspace", "trailing"),
}
_MOST_STEPS = 100_000  # of the schedule that a base was trained with; usual are 1,000
_MOST_CELLS = 8192  # along a side of the latents
_MOST_LAYERS = 1000
_LEAST_TOKENS = 3  # of a caption: one between its marks
_COUNTED = (
    *("num_hidden_layers", "layers_per_block", "num_layers", "num_single_layers"),
    "transformer_layers_per_block",
)
_LISTS = ("down_block_types", "up_block_types", "block_out_channels")

_SCHEDULER = "scheduler/scheduler_config.json"
_VAE, _TOKENIZER = "vae/config.json", "tokenizer/tokenizer_config.json"
_TEXTS = tuple(f"{name}/config.json" for name in TEXT_ENCODERS)
_TEXT = _TEXTS[0]


def check_configs(folder: Path, shown: str) -> None:
    """Raise `HubtoolsError` if the configuration files of the pipeline in `folder` (`shown` to
    people) contradict themselves or each other. Files that are missing are told elsewhere."""
    configs = _Configs(folder)
    for said in _contradictions(configs):
        raise HubtoolsError(
            f"The base model {shown} contradicts itself: {said}.",
            hint="fetch the file again, or correct it",
            code="file-damaged",
        )


class _Configs:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        """The file's content; empty if there is none."""
        if name not in self._read:
            path = self._folder / name
            self._read[name] = read_json(path) if path.is_file() else {}
        return self._read[name]

    def several_encoders(self) -> bool:
        return (self._folder / TEXT_ENCODERS[1]).is_dir()


def _contradictions(configs: _Configs) -> Iterator[str]:
    for said in _of_schedule(configs[_SCHEDULER]):
        yield f"{_SCHEDULER} {said}"
    for name in (*(_file(one) for one in DENOISER_CONFIGS if one.blocks), _VAE):
        for said in (*_of_sizes(configs[name]), *_of_lists(configs[name])):
            yield f"{name} {said}"
    for said in _of_scale(configs[_VAE]):
        yield f"{_VAE} {said}"
    for name in (*map(_file, DENOISER_CONFIGS), _VAE, *_TEXTS):
        for said in _of_layers(configs[name]):
            yield f"{name} {said}"
    for one in DENOISER_CONFIGS:
        yield from _with_denoiser(one, configs)
    yield from _of_words(configs)


def _file(denoiser: Denoiser) -> str:
    return f"{denoiser.name}/config.json"


def _of_schedule(config: dict[str, Any]) -> Iterator[str]:
    steps = config.get("num_train_timesteps", 1000)
    if not _whole(steps, 1, _MOST_STEPS):
        yield (
            f"has {_show(steps)} as num_train_timesteps, where 1 to {_MOST_STEPS:,} can be"
            " (1000 is usual)"
        )
        return
    betas = config.get("trained_betas")
    if betas is not None:
        if not isinstance(betas, list) or not all(_number(beta, 0, 1) for beta in betas):
            yield "has trained_betas that are no list of numbers between 0 and 1"
        elif len(betas) != steps:
            yield f"has {len(betas):,} trained_betas for {steps:,} num_train_timesteps"
    for name in ("beta_start", "beta_end"):
        if name in config and not _number(config[name], 0, 1):
            yield f"has {_show(config[name])} as {name}, where 0 to 1 can be"
    for name, known in _KNOWN.items():
        value = config.get(name)
        if value is not None and value not in known:
            yield f"has {_show(value)} as {name}; known: {', '.join(known)}"
    offset = config.get("steps_offset", 0)
    if not _whole(offset, 0, steps - 1):
        yield f"has {_show(offset)} as steps_offset for {steps:,} num_train_timesteps"


def _of_sizes(config: dict[str, Any]) -> Iterator[str]:
    size = config.get("sample_size")
    sides = size if isinstance(size, list) and len(size) == 2 else [size]
    if size is not None and not all(_whole(side, 1, _MOST_CELLS) for side in sides):
        yield f"has {_show(size)} as sample_size, where 1 to {_MOST_CELLS:,} can be"
    for name in ("in_channels", "out_channels", "latent_channels"):
        if name in config and not _whole(config[name], 1, _MOST_CELLS):
            yield f"has {_show(config[name])} as {name}, where a number of channels belongs"


def _of_lists(config: dict[str, Any]) -> Iterator[str]:
    given = {name: config[name] for name in _LISTS if config.get(name) is not None}
    for name, value in given.items():
        if not isinstance(value, list) or not value:
            yield f"has {_show(value)} as {name}, where a list belongs"
            return
    lengths = {name: len(value) for name, value in given.items()}
    if len(set(lengths.values())) > 1:
        yield "has lists of unequal length: " + ", ".join(
            f"{count} {name}" for name, count in lengths.items()
        )
    channels = given.get("block_out_channels", [])
    if not all(_whole(width, 1, 10**6) for width in channels):
        yield "has block_out_channels that are no numbers of channels"


def _of_scale(config: dict[str, Any]) -> Iterator[str]:
    scale = config.get("scaling_factor")
    if scale is not None and (not _number(scale, 0, 10**6) or not scale):
        yield f"has {_show(scale)} as scaling_factor, where a number above 0 belongs"


def _of_layers(config: dict[str, Any]) -> Iterator[str]:
    for name in _COUNTED:
        value = config.get(name)
        counts = value if isinstance(value, list) else [value]
        counts = [one for each in counts for one in (each if isinstance(each, list) else [each])]
        if value is not None and not all(_whole(count, 0, _MOST_LAYERS) for count in counts):
            yield f"has {_show(value)} as {name}, where 1 to {_MOST_LAYERS:,} can be"


def _with_denoiser(told: Denoiser, configs: _Configs) -> Iterator[str]:
    """What VAE and text encoder say otherwise than the denoiser."""
    file = _file(told)
    denoiser, vae, text = configs[file], configs[_VAE], configs[_TEXT]
    made, drawn = vae.get("latent_channels", 4), denoiser.get(told.draws or "", 4)
    if told.draws and denoiser and vae and drawn != made:
        yield (
            f"{file} draws {_show(drawn)} channels ({told.draws}), {_VAE} decodes"
            f" {_show(made)} (latent_channels)"
        )
    width, takes = text.get("hidden_size"), denoiser.get(told.reads or "")
    one = not configs.several_encoders() and not denoiser.get(told.projects or "")
    if one and _whole(width, 1, 10**9) and _whole(takes, 1, 10**9) and width != takes:
        yield (
            f"{_TEXT} gives words of {width} numbers (hidden_size), {file} takes words of"
            f" {takes} ({told.reads})"
        )


def _of_words(configs: _Configs) -> Iterator[str]:
    for name in TEXT_ENCODERS:
        file = f"{name.replace('text_encoder', 'tokenizer')}/tokenizer_config.json"
        length = configs[file].get("model_max_length")
        if length is not None and not _number(length, _LEAST_TOKENS, math.inf):
            yield (
                f"{file} has {_show(length)} as model_max_length, where {_LEAST_TOKENS} or more"
                " can be"
            )
    text = configs[_TEXT]
    reads, pads = text.get("max_position_embeddings"), configs[_TOKENIZER].get("model_max_length")
    clip = str(text.get("model_type", "")).startswith("clip")
    # a tokenizer that was told no length claims 10^30 (see `loading.complete_tokenizers`)
    if clip and _whole(reads, 1, 10**9) and _whole(pads, reads + 1, 10**9):
        yield (
            f"{_TOKENIZER} makes {pads} tokens (model_max_length), {_TEXT} reads {reads}"
            " (max_position_embeddings)"
        )


def _whole(value: Any, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(value: Any, least: float, most: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return (isinstance(value, int) or math.isfinite(value)) and least <= value <= most


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
