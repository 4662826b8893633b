"""What CLIP text encoders are fed with, and which of them may be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.modelfiles import components_of, read_json
from hubtools.models.families.configs import config
from hubtools.models.families.protocol import BaseInfo
from hubtools.models.loading import left_out
from hubtools.models.lookup import texts_of
from hubtools.models.registry import CLIP, SUPPORTED, TARGETS

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = "tokens"
"""(N, 77) ids beside captions whose text encoders are trained; `tokens_2` are those of the second
one."""
_CLIPS = ("", "_2")


def with_encoders(info: BaseInfo, folder: Path) -> BaseInfo:
    """What is known of the base in `folder`, with its text encoders. Those that may get a LoRA are
    CLIPs of which diffusers' loader for the family reads one."""
    support = SUPPORTED[info.family]
    absent = left_out(folder, support)
    texts = [n for n in texts_of(support) if n.startswith("text_encoder") and n not in absent]
    row = next(row for row in TARGETS.values() if row.support is support)
    read = [begin.rstrip(".") for begin in row.layers.loader.encoders]
    kinds = components_of(read_json(folder / "model_index.json"))
    clips = [n for n in texts if n in read and (kinds.get(n) or [""])[-1] in CLIP.models]
    unread = [
        f"{name}.text_model.encoder.layers.{depth - 1}."
        for name in support.early
        if name in clips
        and isinstance(depth := config(folder, f"{name}/config.json").get("num_hidden_layers"), int)
    ]
    return replace(info, texts=tuple(texts), clips=tuple(clips), unread=tuple(unread))


def clip_tokens(pipeline: Any, caption: str, count: int) -> dict[str, Tensor]:
    """The ids of a caption for the first `count` CLIPs of a pipeline, each (77,)."""
    import torch

    return {
        f"{TOKENS}{end}": torch.tensor(padded_tokens(getattr(pipeline, f"tokenizer{end}"), caption))
        for end in _CLIPS[:count]
    }


def clip_rows(pipeline: Any, captions: Any, count: int) -> list[tuple[Any, Tensor]]:
    """(text encoder, its ids) of the first `count` CLIPs, for captions with `TOKENS`."""
    return [
        (getattr(pipeline, f"text_encoder{end}"), captions[f"{TOKENS}{end}"])
        for end in _CLIPS[:count]
    ]


def states_and_sum(rows: Sequence[tuple[Any, Tensor]]) -> tuple[Tensor, list[Tensor]]:
    """(states before the last side by side, what each encoder sums up) of (encoder, its ids)."""
    import torch

    states, sums = [], []
    for encoder, ids in rows:
        answer = encoder(ids, output_hidden_states=True)
        states.append(answer.hidden_states[-2])
        sums.append(answer[0])
    return torch.cat(states, dim=-1), sums


def padded_tokens(tokenizer: Any, caption: str) -> list[int]:
    """The ids of a caption as for inference: all that the encoder reads, no more and no less."""
    tokens = tokenizer(
        caption, padding="max_length", max_length=tokenizer.model_max_length, truncation=True
    ).input_ids
    return list(tokens)


def clip_row(
    tokenizer: Any, encoder: Any, tokens: Sequence[str], device: Any
) -> tuple[Tensor, Tensor | None]:
    """(ids, attention mask) of a window of CLIP between its begin and end, padded, each (1, 77); no
    mask for encoders that were trained without."""
    import torch

    ids = tokenizer.convert_tokens_to_ids(list(tokens))
    used = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id]
    padding = int(tokenizer.model_max_length) - len(used)
    row = torch.tensor([[*used, *[tokenizer.pad_token_id] * padding]], device=device)
    if not getattr(encoder.config, "use_attention_mask", False):
        return row, None
    return row, torch.tensor([[1] * len(used) + [0] * padding], device=device)
