"""Loops beside which training is measured: the steps of diffusers' own LoRA scripts, written anew
after them, and the least that a step can do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    UNet2DConditionModel,
    get_scheduler,
)
from diffusers.training_utils import (
    compute_density_for_timestep_sampling,
    compute_loss_weighting_for_sd3,
)
from peft import LoraConfig
from pictures import squared
from PIL import Image
from transformers import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5EncoderModel,
    T5TokenizerFast,
)

RANK = 16
TARGETS = ["to_k", "to_q", "to_v", "to_out.0"]

Step = Callable[[], None]


class Pictures(torch.utils.data.Dataset[dict[str, Any]]):
    """Decoded, resized, cut and tokenized when asked for, as the scripts do in the loader."""

    def __init__(self, folder: Path, size: int, tokenizers: list[Any]) -> None:
        lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
        self._rows = [json.loads(line) for line in lines]
        self._folder, self._size, self._tokenizers = folder, size, tokenizers

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows[index]
        array = squared(self._folder / row["file_name"], self._size, Image.Resampling.LANCZOS)
        ids = [self._ids(tokenizer, row["text"]) for tokenizer in self._tokenizers]
        pixels = torch.from_numpy(array).permute(2, 0, 1).contiguous()
        return {"pixels": pixels, **{f"ids{n}": one for n, one in enumerate(ids)}}

    @staticmethod
    def _ids(tokenizer: Any, text: str) -> Any:
        return tokenizer(
            text,
            padding="max_length",
            truncation=True,
            max_length=min(tokenizer.model_max_length, 77),
            return_tensors="pt",
        ).input_ids[0]


class Official:
    """What all of the scripts do around a step."""

    def __init__(self, base: str, data: Path, size: int, denoiser: Any, tokenizers: list[Any]):
        self.accelerator = Accelerator(mixed_precision="no", cpu=True)
        denoiser.requires_grad_(False)
        denoiser.add_adapter(
            LoraConfig(
                r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=TARGETS
            )
        )
        self.trained = [one for one in denoiser.parameters() if one.requires_grad]
        optimizer = torch.optim.AdamW(self.trained, lr=1e-4, weight_decay=1e-2)
        loader = torch.utils.data.DataLoader(
            Pictures(data, size, tokenizers), batch_size=1, shuffle=True
        )
        rates = get_scheduler("constant", optimizer=optimizer, num_warmup_steps=0)
        self.denoiser, self.optimizer, self.loader, self.rates = self.accelerator.prepare(
            denoiser, optimizer, loader, rates
        )
        self.denoiser.train()
        self._fed = itertools.chain.from_iterable(iter(lambda: self.loader, None))

    def step(self, loss_of: Callable[[dict[str, Any]], Any]) -> None:
        """One optimizer step."""
        fed = next(self._fed)
        with self.accelerator.accumulate(self.denoiser):
            loss = loss_of(fed)
            mean = self.accelerator.gather(loss.repeat(1)).mean()
            self.accelerator.backward(loss)
            if self.accelerator.sync_gradients:
                self.accelerator.clip_grad_norm_(self.trained, 1.0)
            self.optimizer.step()
            self.rates.step()
            self.optimizer.zero_grad()
        mean.item()
        loss.detach().item()


def frozen(module: Any) -> Any:
    return module.requires_grad_(False)


def official_sd(base: str, data: Path, size: int) -> Step:
    """train_text_to_image_lora.py."""
    scheduler = DDPMScheduler.from_pretrained(base, subfolder="scheduler")
    tokenizer = CLIPTokenizer.from_pretrained(base, subfolder="tokenizer")
    text = frozen(CLIPTextModel.from_pretrained(base, subfolder="text_encoder"))
    vae = frozen(AutoencoderKL.from_pretrained(base, subfolder="vae"))
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet")
    loop = Official(base, data, size, unet, [tokenizer])

    def loss(fed: dict[str, Any]) -> Any:
        latents = vae.encode(fed["pixels"]).latent_dist.sample() * vae.config.scaling_factor
        noise = torch.randn_like(latents)
        when = torch.randint(0, len(scheduler), (len(latents),)).long()
        noisy = scheduler.add_noise(latents, noise, when)
        states = text(fed["ids0"], return_dict=False)[0]
        answer = loop.denoiser(noisy, when, states, return_dict=False)[0]
        return F.mse_loss(answer.float(), noise.float())

    return lambda: loop.step(loss)


def official_sdxl(base: str, data: Path, size: int) -> Step:
    """train_text_to_image_lora_sdxl.py."""
    scheduler = DDPMScheduler.from_pretrained(base, subfolder="scheduler")
    tokenizers = [
        CLIPTokenizer.from_pretrained(base, subfolder=name) for name in ("tokenizer", "tokenizer_2")
    ]
    texts = [
        frozen(CLIPTextModel.from_pretrained(base, subfolder="text_encoder")),
        frozen(CLIPTextModelWithProjection.from_pretrained(base, subfolder="text_encoder_2")),
    ]
    vae = frozen(AutoencoderKL.from_pretrained(base, subfolder="vae"))
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet")
    loop = Official(base, data, size, unet, tokenizers)

    def loss(fed: dict[str, Any]) -> Any:
        latents = vae.encode(fed["pixels"]).latent_dist.sample() * vae.config.scaling_factor
        noise = torch.randn_like(latents)
        when = torch.randint(0, len(scheduler), (len(latents),)).long()
        noisy = scheduler.add_noise(latents, noise, when)
        states = []
        for number, text in enumerate(texts):
            answer = text(fed[f"ids{number}"], output_hidden_states=True, return_dict=False)
            pooled = answer[0]
            states.append(answer[-1][-2])
        added = {
            "time_ids": torch.tensor([[size, size, 0, 0, size, size]] * len(latents)),
            "text_embeds": pooled.view(len(latents), -1),
        }
        answer = loop.denoiser(
            noisy, when, torch.cat(states, -1), added_cond_kwargs=added, return_dict=False
        )[0]
        return F.mse_loss(answer.float(), noise.float())

    return lambda: loop.step(loss)


def official_flux(base: str, data: Path, size: int) -> Step:
    """train_dreambooth_lora_flux.py with captions: without its cache, which gives pictures others'
    captions, pictures and captions are encoded in each step."""
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(base, subfolder="scheduler")
    tokenizers = [
        CLIPTokenizer.from_pretrained(base, subfolder="tokenizer"),
        T5TokenizerFast.from_pretrained(base, subfolder="tokenizer_2"),
    ]
    clip = frozen(CLIPTextModel.from_pretrained(base, subfolder="text_encoder"))
    t5 = frozen(T5EncoderModel.from_pretrained(base, subfolder="text_encoder_2"))
    vae = frozen(AutoencoderKL.from_pretrained(base, subfolder="vae"))
    transformer = FluxTransformer2DModel.from_pretrained(base, subfolder="transformer")
    guided = transformer.config.guidance_embeds
    loop = Official(base, data, size, transformer, tokenizers)

    def loss(fed: dict[str, Any]) -> Any:
        latents = vae.encode(fed["pixels"]).latent_dist.sample()
        latents = (latents - vae.config.shift_factor) * vae.config.scaling_factor
        count, channels, height, width = latents.shape
        ids = FluxPipeline._prepare_latent_image_ids(
            count, height // 2, width // 2, latents.device, latents.dtype
        )
        noise = torch.randn_like(latents)
        chosen = compute_density_for_timestep_sampling("none", count, 0.0, 1.0, 1.29)
        index = (chosen * scheduler.config.num_train_timesteps).long()
        when = scheduler.timesteps[index]
        sigma = scheduler.sigmas[index].view(-1, 1, 1, 1)
        noisy = (1.0 - sigma) * latents + sigma * noise
        packed = FluxPipeline._pack_latents(noisy, count, channels, height, width)
        pooled = clip(fed["ids0"]).pooler_output
        states = t5(fed["ids1"])[0]
        answer = loop.denoiser(
            hidden_states=packed,
            timestep=when / 1000,
            guidance=torch.tensor([1.0]).expand(count) if guided else None,
            pooled_projections=pooled,
            encoder_hidden_states=states,
            txt_ids=torch.zeros(states.shape[1], 3),
            img_ids=ids,
            return_dict=False,
        )[0]
        factor = 2 ** (len(vae.config.block_out_channels) - 1)
        answer = FluxPipeline._unpack_latents(answer, height * factor, width * factor, factor)
        weighting = compute_loss_weighting_for_sd3("none", sigmas=sigma)
        error = weighting.float() * (answer.float() - (noise - latents).float()) ** 2
        return error.reshape(count, -1).mean(1).mean()

    return lambda: loop.step(loss)


def floor_sd(base: str, data: Path, size: int) -> Step:
    """The least: a UNet with a stock LoRA goes forwards and backwards over the same tensors, and
    fused AdamW steps."""
    unet = frozen(UNet2DConditionModel.from_pretrained(base, subfolder="unet"))
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS))
    unet.train()
    trained = [one for one in unet.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-2, fused=True)
    side = size // 8
    noisy = torch.randn(1, unet.config.in_channels, side, side)
    states = torch.randn(1, 77, unet.config.cross_attention_dim)
    noise, when = torch.randn_like(noisy), torch.tensor([500])

    def step() -> None:
        answer = unet(noisy, when, states, return_dict=False)[0]
        F.mse_loss(answer, noise).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def endless(step: Step) -> Iterator[None]:
    while True:
        yield step()
