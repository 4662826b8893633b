"""The text encoder, taught before anything is drawn to say which colour belongs to which part.

A denoiser that has to find out by itself that the `red` before `coat` is not the hair's needs most
of its training for that. Reading it off the words is a task of minutes: at each comma and at the
end of the caption, small heads on the hidden state must name every attribute said so far.
"""

from __future__ import annotations

import random
from pathlib import Path

import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from base.data import caption_spans
from base.steps import train
from hubtools.models.families.tiny import write_tokenizer
from hubtools.world import ATTRIBUTES

LENGTH = 77


def make_tokenizer(work: Path, words: set[str]) -> CLIPTokenizer:
    """The tokenizer, written to `work`."""
    write_tokenizer(work, words)
    return CLIPTokenizer(
        str(work / "vocab.json"), str(work / "merges.txt"), model_max_length=LENGTH
    )


def make_encoder(tokenizer: CLIPTokenizer, width: int, layers: int) -> CLIPTextModel:
    """An untaught CLIP text model."""
    size = len(tokenizer)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=size, hidden_size=width, intermediate_size=4 * width,
            projection_dim=width, num_hidden_layers=layers, num_attention_heads=4,
            max_position_embeddings=LENGTH, bos_token_id=size - 2, eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
    )  # fmt: skip


class Reader(nn.Module):
    """The encoder with the heads that question it."""

    def __init__(self, encoder: CLIPTextModel, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        # the value after the last means: not said
        self.heads = nn.ModuleDict(
            {name: nn.Linear(width, len(v) + 1) for name, v in ATTRIBUTES.items()}
        )


def _example(
    tokenizer: CLIPTokenizer, number: int, rng: random.Random
) -> tuple[list[int], list[int], list[list[int]]]:
    """(token ids, positions that are asked, per position the value of each attribute so far)."""
    ids = [tokenizer.bos_token_id]
    said = {name: len(v) for name, v in ATTRIBUTES.items()}
    asked, answers = [], []
    text = ""
    for piece in caption_spans(number, rng):
        if piece.attribute is not None:
            said[piece.attribute] = ATTRIBUTES[piece.attribute].index(piece.value)
        for index, letter in enumerate(piece.text):
            if letter == ",":
                # a comma is a token of its own, so the text up to it has the tokens it has alone
                before = text + piece.text[: index + 1]
                asked.append(len(tokenizer(before, add_special_tokens=False).input_ids))
                answers.append(list(said.values()))
        text += piece.text
    ids += tokenizer(text, add_special_tokens=False).input_ids
    end = len(ids)
    ids += [tokenizer.eos_token_id] * (LENGTH - end)
    for position in (end, end + 1, end + 2):
        asked.append(position)
        answers.append(list(said.values()))
    inside = [(p, a) for p, a in zip(asked, answers, strict=True) if p < LENGTH]
    return ids[:LENGTH], [p for p, _ in inside], [a for _, a in inside]


def teach(
    work: Path, tokenizer: CLIPTokenizer, *, width: int, layers: int, steps: int, people: int,
    seed: int, device: str,
) -> CLIPTextModel:  # fmt: skip
    """The encoder after `steps` steps of 64 captions."""
    torch.manual_seed(seed)
    reader = Reader(make_encoder(tokenizer, width, layers), width)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        rng = random.Random(f"text {seed} {step}")
        rows = [_example(tokenizer, rng.randrange(people), rng) for _ in range(64)]
        ids = torch.tensor([row[0] for row in rows], device=device)
        states = reader.encoder(ids).last_hidden_state
        batch = [index for index, row in enumerate(rows) for _ in row[1]]
        position = [p for row in rows for p in row[1]]
        answers = torch.tensor([a for row in rows for a in row[2]], device=device)
        asked = states[batch, position]
        losses = [
            nn.functional.cross_entropy(head(asked).float(), answers[:, index])
            for index, head in enumerate(reader.heads.values())
        ]
        return torch.stack(losses).mean()

    train(
        "text", work, reader, loss_of, steps=steps, peak=1e-3, seed=seed, device=device, bf16=False
    )
    return reader.encoder.eval().requires_grad_(False)
