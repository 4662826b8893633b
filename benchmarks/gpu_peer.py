"""The loop that a reader of diffusers' LoRA example ends with: pictures read, both encoders run and
the loss fetched in every step; accelerate's mixed precision, AdamW. Prints its figures as JSON.

    python benchmarks/gpu_peer.py '["BASE", "DATA", STEPS, SIZE, RANK, BATCH]'
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

BEGUN = time.perf_counter()

import torch  # noqa: E402
from accelerate import Accelerator  # noqa: E402
from diffusers import (  # noqa: E402
    AutoencoderKL,
    DDPMScheduler,
    UNet2DConditionModel,
    get_scheduler,
)
from peft import LoraConfig  # noqa: E402
from pictures import squared  # noqa: E402
from PIL import Image  # noqa: E402
from transformers import CLIPTextModel, CLIPTokenizer  # noqa: E402


class Pictures(torch.utils.data.Dataset[dict[str, Any]]):
    """Decoded, resized, cut and tokenized when asked for."""

    def __init__(self, folder: Path, size: int, tokenizer: Any) -> None:
        lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
        self._rows = [json.loads(line) for line in lines]
        self._folder, self._size, self._tokenizer = folder, size, tokenizer

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self._rows[index]
        array = squared(self._folder / row["file_name"], self._size, Image.Resampling.BILINEAR)
        ids = self._tokenizer(
            row["text"], padding="max_length", truncation=True,
            max_length=self._tokenizer.model_max_length, return_tensors="pt",
        ).input_ids[0]  # fmt: skip
        return {"pixels": torch.from_numpy(array).permute(2, 0, 1).contiguous(), "ids": ids}


def main(base: str, data: str, steps: int, size: int, rank: int, batch: int) -> dict[str, float]:
    """Train and measure."""
    accelerator = Accelerator(mixed_precision="bf16")
    device, dtype = accelerator.device, torch.bfloat16
    cuda = device.type == "cuda"
    scheduler = DDPMScheduler.from_pretrained(base, subfolder="scheduler")
    tokenizer = CLIPTokenizer.from_pretrained(base, subfolder="tokenizer")
    text = CLIPTextModel.from_pretrained(base, subfolder="text_encoder")
    vae = AutoencoderKL.from_pretrained(base, subfolder="vae")
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet")
    for module in (unet, vae, text):
        module.requires_grad_(False)
        module.to(device, dtype=dtype)
    unet.add_adapter(
        LoraConfig(
            r=rank, lora_alpha=rank, init_lora_weights="gaussian",
            target_modules=["to_k", "to_q", "to_v", "to_out.0"],
        )
    )  # fmt: skip
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-2)
    loader = torch.utils.data.DataLoader(
        Pictures(Path(data), size, tokenizer), batch_size=batch, shuffle=True
    )
    rates = get_scheduler("constant", optimizer=optimizer, num_warmup_steps=0)
    unet, optimizer, loader, rates = accelerator.prepare(unet, optimizer, loader, rates)
    unet.train()
    done, ticks, first = 0, [], 0.0
    while done < steps:
        for fed in loader:
            with accelerator.accumulate(unet):
                latents = vae.encode(fed["pixels"].to(dtype)).latent_dist.sample()
                latents = latents * vae.config.scaling_factor
                noise = torch.randn_like(latents)
                when = torch.randint(0, len(scheduler), (len(latents),), device=device).long()
                noisy = scheduler.add_noise(latents, noise, when)
                states = text(fed["ids"], return_dict=False)[0]
                answer = unet(noisy, when, states, return_dict=False)[0]
                loss = torch.nn.functional.mse_loss(answer.float(), noise.float())
                mean = accelerator.gather(loss.repeat(batch)).mean()
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                rates.step()
                optimizer.zero_grad()
            mean.item()  # for the progress bar, every step
            done += 1
            ticks.append(time.perf_counter())
            first = first or ticks[0] - BEGUN
            if done == steps:
                break
    skipped = min(20, steps // 2)
    return {
        "steps_s": (len(ticks) - 1 - skipped) / (ticks[-1] - ticks[skipped]),
        "first_step_s": first,
        "whole_run_s": time.perf_counter() - BEGUN,
        "memory_gb": torch.cuda.max_memory_reserved() / 1e9 if cuda else 0.0,
    }


if __name__ == "__main__":
    print(json.dumps(main(*json.loads(sys.argv[1]))))
