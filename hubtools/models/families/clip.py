"""What CLIP text encoders are fed with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


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
