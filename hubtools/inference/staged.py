"""A base in two stages: what reads words is opened, asked and let go; then what draws is opened.

A text encoder of some families is larger than the denoiser, and is asked once a prompt. A LoRA that
changes text encoders is put into them for its prompts, for which the denoiser is opened beside them
and stays: a LoRA is loaded into both or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hubtools.inference.adapters import apply_loras, remove_loras
from hubtools.inference.embeddings import Prompts, Said
from hubtools.inference.lora import WeightedLora, said_by
from hubtools.inference.shots import Shot
from hubtools.models.device import let_go
from hubtools.models.loading import Part, denoiser_name, denoiser_of


@dataclass(frozen=True)
class LoraShots:
    """Shots that are drawn with these LoRAs."""

    shots: Sequence[Shot]
    loras: Sequence[WeightedLora] = ()


class Load(Protocol):
    """Opens parts of a base on its device and gives the pipeline; `given` ones are taken as they
    are."""

    def __call__(self, parts: tuple[Part, ...], given: Mapping[str, Any]) -> Any: ...


def open_staged(
    load: Load,
    wanted: Sequence[LoraShots],
    *,
    fuse: bool = False,
    with_text: Callable[[Any], None] = lambda read: None,
) -> tuple[Any, Prompts]:
    """A pipeline without text encoders, and all that is `wanted` of it encoded: `draw` takes both.
    Each prompt is encoded once for each state of the text encoders. `with_text` is given the
    pipeline that has them, before anything is encoded. `fuse` as `draw` takes it."""
    speaks = any(
        said_by(one.loras, shot.lora_weight) for one in wanted for shot in one.shots
    )  # fmt: skip
    pipeline = load(("text", "denoiser") if speaks else ("text",), {})
    device = str(pipeline.device)
    with_text(pipeline)
    prompts = read_prompts(pipeline, wanted, fuse)
    given = {denoiser_name(pipeline): denoiser_of(pipeline)} if speaks else {}
    del pipeline
    let_go(device)
    pipeline = load(("picture",) if speaks else ("picture", "denoiser"), given)
    prompts.close(pipeline)
    return pipeline, prompts.move(device)


def read_prompts(pipeline: Any, wanted: Sequence[LoraShots], fuse: bool = False) -> Prompts:
    """All that is `wanted`, as the text encoders of `pipeline` say it; leaves no LoRA in them."""
    states: dict[Said, list[tuple[LoraShots, Shot]]] = {(): []}
    for one in wanted:
        for shot in one.shots:
            states.setdefault(said_by(one.loras, shot.lora_weight), []).append((one, shot))
    prompts = Prompts(pipeline)
    for said, asked in states.items():
        if said:
            one, shot = asked[0]
            strengths = [(lora.file, lora.weight * shot.lora_weight) for lora in one.loras]
            apply_loras(pipeline, strengths, fuse=fuse)
        prompts.under(said).read([shot for _, shot in asked])
    if len(states) > 1:
        remove_loras(pipeline)
    prompts.under(()).keep()
    return prompts
