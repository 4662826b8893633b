"""The denoiser of the flow base: a small Z-Image transformer, and how it is taught."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImageTransformer2DModel
from torch import nn
from transformers import PreTrainedTokenizerFast

from base import flow_text
from base.data import caption_spans
from base.muon import Muon
from base.nets import LATENTS
from base.steps import train
from hubtools import tinypeople

SHIFT = 2.0  # of moments towards noise, while it is taught and while it draws


def make_transformer(width: int = 144, layers: int = 5) -> ZImageTransformer2DModel:
    """64 tokens of a picture of 128 px and 32 of its caption go through `layers` blocks, after one
    block that each of them has for itself. Blocks begin as nothing, answers as zero."""
    model = ZImageTransformer2DModel(
        in_channels=LATENTS, dim=width, n_layers=layers, n_refiner_layers=1, n_heads=width // 48,
        n_kv_heads=width // 48, cap_feat_dim=flow_text.WIDTH, axes_dims=[16, 16, 16],
        axes_lens=[512, 64, 64],
    )  # fmt: skip
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for name, parameter in model.named_parameters():
        if "adaLN_modulation" in name or name.startswith("all_final_layer"):
            nn.init.zeros_(parameter)
        elif name.endswith("pad_token"):
            nn.init.normal_(parameter, std=0.02)
    return model


def make_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """That of Z-Image, with a shift that fits small pictures."""
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=SHIFT)


def the_vae() -> AutoencoderKL:
    """That of tiny people. The pipeline of Stable Diffusion asks for no shift, that of Z-Image adds
    it."""
    vae = AutoencoderKL.from_pretrained(tinypeople.MODEL / "vae", torch_dtype=torch.float32)
    vae.register_to_config(shift_factor=0.0)
    return vae.eval().requires_grad_(False)


def optimizer_of(model: nn.Module, peak: float) -> Muon:
    """Muon for the matrices of blocks; what embeds, modulates and answers goes by AdamW."""
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        block = ".attention." in name or ".feed_forward." in name
        (matrices if block and parameter.ndim == 2 else others).append(parameter)
    return Muon(matrices, others, lr=peak)


def moments(count: int, generator: torch.Generator) -> torch.Tensor:
    """(count,) in 0..1, 1 being noise: one from each `count`-th of the clock, then shifted."""
    even = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return SHIFT * even / (1 + (SHIFT - 1) * even)


def caption_of(
    tokenizer: PreTrainedTokenizerFast, number: int, rng: random.Random, tries: int = 4
) -> str:
    """A caption that has room; a longer one where none is found, or, one in ten, none at all."""
    if rng.random() < 0.1:
        return ""
    for _ in range(tries):
        text = "".join(piece.text for piece in caption_spans(number, rng))
        if len(tokenizer(text).input_ids) < flow_text.ROOM:
            break
    return text


def velocity(
    model: ZImageTransformer2DModel, noisy: torch.Tensor, s: torch.Tensor, told: list[torch.Tensor]
) -> torch.Tensor:
    """Noise minus picture, of latents (n, 16, 16, 16) at the moments `s`. Z-Image's clock and
    answer run the other way."""
    answer = model(list(noisy.unsqueeze(2).unbind()), 1 - s, told, return_dict=False)[0]
    return -torch.stack(list(answer)).squeeze(2).float()


def teach_flow(
    work: Path, tokenizer: PreTrainedTokenizerFast, reader: flow_text.Reader,
    people: list[int], latents: torch.Tensor, *, steps: int, batch: int, peak: float, seed: int,
    device: str,
) -> ZImageTransformer2DModel:  # fmt: skip
    """On the straight line from picture to noise, all moments weighed alike."""
    torch.manual_seed(seed)
    model = make_transformer()
    reader.to(device)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        rng = random.Random(f"flow {seed} {step}")
        chosen = [rng.randrange(len(people)) for _ in range(batch)]
        ids, mask = flow_text.tokens_of(
            tokenizer, [caption_of(tokenizer, people[place], rng) for place in chosen]
        )
        with torch.no_grad():
            states = reader.states(ids.to(device), mask.to(device))
        told = [row[kept] for row, kept in zip(states, mask, strict=True)]
        clean = latents[chosen].float()
        noise = torch.randn(clean.shape, generator=generator)
        s = moments(batch, generator)
        way = s.view(-1, 1, 1, 1)
        found = velocity(model, ((1 - way) * clean + way * noise).to(device), s.to(device), told)
        return (found - (noise - clean).to(device)).pow(2).mean()

    train(
        "flow", work, model, loss_of, steps=steps, peak=peak, seed=seed, ema=0.998, device=device,
        optimizer=optimizer_of(model, peak),
    )  # fmt: skip
    return model.eval().requires_grad_(False)
