"""The words of the flow base: a tokenizer that spends few tokens on a caption, and a language model
of Qwen's kind that is taught, as the other base's encoder is, to know what has been said so far.

The denoiser reads a caption's tokens beside the picture's own, 64 of them, and pads captions to
multiples of 32. So every word of the world is one token, others are two letters a token, and
commas, brackets and hyphens are none: nearly all captions have 32 tokens or fewer.
"""

from __future__ import annotations

import random
import string
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import Lowercase, Replace, Sequence
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from base.data import caption_spans
from base.steps import train
from hubtools.world import ATTRIBUTES

WIDTH = 128
ROOM = 32  # tokens of a caption that is read without padding to 64
_END, _PAD, _UNKNOWN = "<|im_end|>", "<|endoftext|>", "<|unknown|>"


def make_tokenizer(words: Iterable[str]) -> PreTrainedTokenizerFast:
    """Whole words, else pairs of letters. Its chat is the caption and an end, nothing more."""
    letters = string.ascii_lowercase + string.digits
    starts = {one + other for one in letters for other in ("", *letters)}
    pieces = [*sorted(starts), *sorted(f"##{start}" for start in starts)]
    names = [_PAD, _END, _UNKNOWN, *pieces, *sorted(set(words) - starts)]
    bare = Tokenizer(
        WordPiece({name: number for number, name in enumerate(names)}, unk_token=_UNKNOWN)
    )
    bare.normalizer = Sequence([Lowercase(), Replace(Regex("[^a-z0-9]+"), " ")])
    bare.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=bare, pad_token=_PAD, eos_token=_END, unk_token=_UNKNOWN,
        padding_side="right", model_max_length=512,
        chat_template="{{ messages[0].content }}" + _END,
    )  # fmt: skip


def make_encoder(tokenizer: PreTrainedTokenizerFast) -> Qwen3Model:
    """An untaught one. The pipeline reads the state before the last layer, so that the third layer
    stays as it is made."""
    return Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=3 * WIDTH,
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=4, head_dim=32,
            max_position_embeddings=512, tie_word_embeddings=True,
            bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip


def tokens_of(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> tuple[torch.Tensor, ...]:
    """(n, longest) ids and mask of captions, each with its end."""
    found = tokenizer([text + _END for text in texts], padding=True, return_tensors="pt")
    return found["input_ids"], found["attention_mask"].bool()


class Reader(nn.Module):
    """The encoder with the heads that question it."""

    def __init__(self, encoder: Qwen3Model) -> None:
        super().__init__()
        self.encoder = encoder
        encoder.layers[-1].requires_grad_(False)
        # the value after the last means: not said
        self.heads = nn.ModuleDict(
            {name: nn.Linear(WIDTH, len(v) + 1) for name, v in ATTRIBUTES.items()}
        )

    def states(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """What the pipeline gives the denoiser."""
        told = self.encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        states: torch.Tensor = told.hidden_states[-2]
        return states


def _example(
    tokenizer: PreTrainedTokenizerFast, number: int, rng: random.Random
) -> tuple[str, list[int], list[list[int]]]:
    """(a caption, the tokens that are asked: the last before each comma and the end's, per token
    the value of each attribute so far)."""
    said = {name: len(v) for name, v in ATTRIBUTES.items()}
    text, commas, answers = "", [], []
    for piece in caption_spans(number, rng):
        if piece.attribute is not None:
            said[piece.attribute] = ATTRIBUTES[piece.attribute].index(piece.value)
        if piece.text == ", ":
            commas.append(len(text))
            answers.append(list(said.values()))
        text += piece.text
    ends = [end for _, end in tokenizer(text, return_offsets_mapping=True)["offset_mapping"]]
    asked = [sum(end <= comma for end in ends) - 1 for comma in commas]
    return text, [*asked, len(ends)], [*answers, list(said.values())]


def teach(
    work: Path, tokenizer: PreTrainedTokenizerFast, *, steps: int, people: int, seed: int,
    device: str,
) -> Reader:  # fmt: skip
    """The encoder after `steps` steps of 64 captions."""
    torch.manual_seed(seed)
    reader = Reader(make_encoder(tokenizer))

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        rng = random.Random(f"flow text {seed} {step}")
        rows = [_example(tokenizer, rng.randrange(people), rng) for _ in range(64)]
        ids, mask = tokens_of(tokenizer, [row[0] for row in rows])
        states = reader.states(ids.to(device), mask.to(device))
        batch = [index for index, row in enumerate(rows) for _ in row[1]]
        asked = states[batch, [place for row in rows for place in row[1]]]
        answers = torch.tensor([a for row in rows for a in row[2]], device=device)
        losses = [
            nn.functional.cross_entropy(head(asked).float(), answers[:, index])
            for index, head in enumerate(reader.heads.values())
        ]
        return torch.stack(losses).mean()

    train(
        "flow_text", work, reader, loss_of, steps=steps, peak=2e-3, seed=seed, ema=0.99,
        device=device, bf16=False,
    )  # fmt: skip
    reader.eval().requires_grad_(False)
    return reader
