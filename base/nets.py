"""The autoencoder, the denoiser and the classifier, and how each is taught."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from torch import nn
from torch.nn import functional
from transformers import CLIPTextModel, CLIPTokenizer

from base.data import SIZE, caption_spans, to_tensor, values
from base.steps import autocast, train
from hubtools.tinypeople.classifier import AttributeClassifier
from hubtools.world import ATTRIBUTES

LATENTS = 16
_BACK = 8_000  # pictures that the classifier also sees as the autoencoder gives them back


def make_vae() -> AutoencoderKL:
    """Factor 8, 16 latent channels, no attention: it works at any size."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1, latent_channels=LATENTS, norm_num_groups=8, sample_size=SIZE,
        mid_block_add_attention=False,
    )  # fmt: skip


def _slopes(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return pictures.diff(dim=2), pictures.diff(dim=3)


def _recoloured(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Every second picture with its channels swapped, stretched and shifted."""
    for index in range(0, len(pictures), 2):
        order = torch.randperm(3, generator=generator)
        gain = 0.7 + 0.45 * torch.rand((3, 1, 1), generator=generator)
        bias = 0.4 * torch.rand((3, 1, 1), generator=generator) - 0.2
        pictures[index] = (pictures[index, order] * gain + bias).clamp(-1, 1)
    return pictures


def _crops(pictures: np.ndarray, generator: torch.Generator) -> torch.Tensor:
    """(16, 3, 64, 64) pieces of pictures chosen by chance, recoloured in part."""
    chosen = torch.randint(0, len(pictures), (16,), generator=generator)
    places = torch.randint(0, SIZE - 63, (16, 2), generator=generator)
    # people stand in the middle, and they are what has details
    places[:10, 1] = torch.randint(20, 45, (10,), generator=generator)
    crops = np.stack(
        [
            pictures[int(index), y : y + 64, x : x + 64]
            for index, (y, x) in zip(chosen, places.tolist(), strict=True)
        ]
    )
    recoloured = _recoloured(to_tensor(crops), generator)
    return recoloured.contiguous(memory_format=torch.channels_last)


def _apart(drawn: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    loss = functional.l1_loss(drawn, real) + 0.5 * functional.mse_loss(drawn, real)
    for one, other in zip(_slopes(drawn), _slopes(real), strict=True):
        loss = loss + functional.l1_loss(one, other)
    return loss


def teach_vae(
    work: Path, pictures: np.ndarray, *, steps: int, seed: int, device: str
) -> AutoencoderKL:
    """On crops of 64 px, batch 16: absolute error of pixels and of their slopes (edges are what a
    small autoencoder blurs first), and a light pull towards unit normal latents. Half of the crops
    change their colours: a subject taught later may have some that the world has not."""
    torch.manual_seed(seed)
    vae = make_vae().to(memory_format=torch.channels_last)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        real = _crops(pictures, generator).to(device)
        code = vae.encode(real).latent_dist
        noise = torch.randn(code.mean.shape, generator=generator).to(device)
        drawn = vae.decode(code.mean + code.std * noise).sample.float()
        mean, log = code.mean.float(), code.logvar.float()
        return _apart(drawn, real) + 5e-4 * (mean**2 + log.exp() - 1 - log).mean()

    train(
        "vae", work, vae, loss_of, steps=steps, peak=1.5e-3, seed=seed, ema=0.995, device=device,
        weight_decay=0.0,
    )  # fmt: skip
    return vae.eval().requires_grad_(False)


@torch.no_grad()
def settle(vae: AutoencoderKL) -> None:
    """Leave next to no deviation in the posterior. Channels that the autoencoder has no use for
    are pure noise of deviation 1; the denoiser has only seen means, and a LoRA trained on samples
    would learn that noise."""
    assert vae.quant_conv is not None
    vae.quant_conv.weight[LATENTS:] = 0
    assert vae.quant_conv.bias is not None
    vae.quant_conv.bias[LATENTS:] = -12


def sharpen(
    work: Path, vae: AutoencoderKL, pictures: np.ndarray, *, steps: int, seed: int, device: str
) -> None:
    """Train the decoder alone for longer: latents stay what they are, so that this can be done at
    any time, also for a denoiser that is taught already."""
    half = nn.ModuleList([vae.post_quant_conv, vae.decoder]).requires_grad_(True)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        real = _crops(pictures, generator).to(device)
        with torch.no_grad():
            code = vae.encode(real).latent_dist
        noise = torch.randn(code.mean.shape, generator=generator).to(device)
        return _apart(vae.decode(code.mean + code.std * noise).sample.float(), real)

    train(
        "decoder", work, half, loss_of, steps=steps, peak=1e-3, seed=seed + 1, ema=0.998,
        device=device, weight_decay=0.0,
    )  # fmt: skip
    vae.eval().requires_grad_(False)


@torch.no_grad()
def encode(
    work: Path, vae: AutoencoderKL, pictures: np.ndarray, device: str
) -> tuple[torch.Tensor, float]:
    """((n, 16, 16, 16) latents of unit variance in half precision, the scaling factor)."""
    path = work / "latents.pt"
    if not path.exists():
        means = []
        for first in range(0, len(pictures), 64):
            real = to_tensor(pictures[first : first + 64]).to(device)
            with autocast(device):
                means.append(vae.encode(real).latent_dist.mean.half().cpu())
        torch.save(torch.cat(means), path)
    latents = torch.load(path)
    factor = 1 / latents[:4000].float().std().item()
    return (latents.float() * factor).half(), factor


@torch.no_grad()
def through(path: Path, vae: AutoencoderKL, pictures: np.ndarray, device: str) -> np.ndarray:
    """The pictures as the autoencoder gives them back, uint8; kept in `path`."""
    if not path.exists():
        rows = []
        for first in range(0, len(pictures), 64):
            real = to_tensor(pictures[first : first + 64]).to(device)
            with autocast(device):
                drawn = vae.decode(vae.encode(real).latent_dist.mean).sample
            drawn = (drawn.float().clamp(-1, 1) + 1) * 127.5
            rows.append(drawn.round().byte().permute(0, 2, 3, 1).cpu().numpy())
        np.save(path, np.concatenate(rows))
    return np.load(path, mmap_mode="r")


def make_unet(width: int) -> UNet2DConditionModel:
    """Convolutions alone at 16x16, attention to itself and to the text at 8x8 and 4x4."""
    return UNet2DConditionModel(
        sample_size=SIZE // 8, in_channels=LATENTS, out_channels=LATENTS,
        block_out_channels=(64, 128, 192), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width, attention_head_dim=4, norm_num_groups=16,
    )  # fmt: skip


def noise_schedule() -> DDPMScheduler:
    """That of Stable Diffusion 1 and 2."""
    return DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
    )


def loss_weights(alphas: torch.Tensor) -> torch.Tensor:
    """What an error of the noise counts at each `alphas_cumprod`. min-SNR's weight (gamma 5,
    arXiv:2303.09556) divided by alpha, at most 30: as if v were predicted (arXiv:2202.00512), whose
    error is that of the noise over sqrt(alpha). Where little but noise is left the colour of the
    background is decided, and an error of the noise hardly shows it."""
    snr = alphas / (1 - alphas)
    return ((snr.clamp(max=5) / snr) / alphas).clamp(max=30)


def teach_unet(
    work: Path, tokenizer: CLIPTokenizer, encoder: CLIPTextModel, latents: torch.Tensor, *,
    steps: int, batch: int, seed: int, device: str,
) -> UNet2DConditionModel:  # fmt: skip
    """Epsilon prediction, a tenth of the captions empty, for guidance."""
    torch.manual_seed(seed)
    unet = make_unet(encoder.config.hidden_size).to(memory_format=torch.channels_last)
    encoder.to(device)
    alphas = noise_schedule().alphas_cumprod

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        rng = random.Random(f"unet {seed} {step}")
        chosen = [rng.randrange(len(latents)) for _ in range(batch)]
        texts = [
            "" if rng.random() < 0.1 else "".join(piece.text for piece in caption_spans(n, rng))
            for n in chosen
        ]
        ids = tokenizer(
            texts, padding="max_length", truncation=True, max_length=tokenizer.model_max_length,
            return_tensors="pt",
        ).input_ids  # fmt: skip
        with torch.no_grad():
            states = encoder(ids.to(device)).last_hidden_state
        clean = latents[chosen].float()
        noise = torch.randn(clean.shape, generator=generator)
        times = torch.randint(0, 1000, (batch,), generator=generator)
        alpha = alphas[times].view(-1, 1, 1, 1)
        noisy = (alpha.sqrt() * clean + (1 - alpha).sqrt() * noise).to(device)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        found = unet(noisy, times.to(device), states).sample.float()
        weights = loss_weights(alphas[times]).to(device)
        return ((found - noise.to(device)).pow(2).mean((1, 2, 3)) * weights).mean()

    train("unet", work, unet, loss_of, steps=steps, peak=8e-4, seed=seed, ema=0.999, device=device)
    return unet.eval().requires_grad_(False)


def teach_classifier(
    work: Path, vae: AutoencoderKL, pictures: np.ndarray, *, steps: int, seed: int, device: str
) -> AttributeClassifier:
    """On drawn pictures, every third as the autoencoder gives it back, so that its softness is no
    excuse; the pose of a portrait is not asked for."""
    back = through(work / "back.npy", vae, pictures[:_BACK], device)
    torch.manual_seed(seed)
    model = AttributeClassifier({name: len(v) for name, v in ATTRIBUTES.items()})
    model.to(memory_format=torch.channels_last)
    truth = values(range(len(pictures)))
    full = ATTRIBUTES["framing"].index("full body")

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(0, len(pictures), (64,), generator=generator)
        chosen[:21] %= len(back)
        both = np.concatenate([back[chosen[:21].numpy()], pictures[chosen[21:].numpy()]])
        shift = torch.randn((64, 3, 1, 1), generator=generator) * 0.03
        seen = (to_tensor(both) + shift).to(device)
        logits = model(seen.contiguous(memory_format=torch.channels_last))
        losses = []
        for name, row in logits.items():
            asked = truth[name][chosen].clone()
            if name == "pose":
                asked[truth["framing"][chosen] != full] = -100
            losses.append(functional.cross_entropy(row.float(), asked.to(device)))
        return torch.stack(losses).mean()

    train(
        "classifier", work, model, loss_of, steps=steps, peak=1.5e-3, seed=seed, ema=0.998,
        device=device,
    )  # fmt: skip
    return model.eval().requires_grad_(False)
