"""Train the embedded base: a Stable Diffusion pipeline that knows the drawn people of
`hubtools.world`, and a classifier that reads their attributes.

    python -m base.train --work base-work            # everything, or on from where it stopped

Nothing is downloaded. Every stage leaves a file in the work folder and is skipped when it is there;
a kill costs two minutes at most. The pipeline folder is `WORK/pipeline`, its table of what it draws
as asked `WORK/evaluation.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image

from base import nets, text
from base.data import HELD_OUT, SIZE, person, pictures, values, words
from base.marks import teach_marks
from base.ship import ship, unpack
from hubtools import tinypeople
from hubtools.files import write_json
from hubtools.quiet import hush
from hubtools.tinypeople.classifier import AttributeClassifier, as_tensor, write_classifier
from hubtools.world import ATTRIBUTES, draw, full_caption

ASKED = ("hair_colour", "clothing_colour", "background", "view", "framing", "style")


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("base-work"))
@click.option("--people", default=24_000, show_default=True)
@click.option("--vae-steps", default=4_000, show_default=True)
@click.option("--decoder-steps", default=0, show_default=True, help="Further ones, of it alone.")
@click.option("--text-steps", default=2_000, show_default=True)
@click.option("--unet-steps", default=16_000, show_default=True)
@click.option("--classifier-steps", default=3_000, show_default=True)
@click.option("--marked", default=8_000, show_default=True, help="Pictures for the detector.")
@click.option("--marks-steps", default=800, show_default=True)
@click.option("--batch", default=32, show_default=True, help="Pictures in a step of the denoiser.")
@click.option("--captions", default=200, show_default=True, help="Held-out captions to draw.")
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option(
    "--start", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Pipeline to go on from instead of from nothing, e.g. hubtools/tinypeople/tiny-people.",
)  # fmt: skip
@click.option("--install", is_flag=True, help="Put the result into the package.")
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu")
def main(
    work: Path, people: int, vae_steps: int, decoder_steps: int, text_steps: int,
    unet_steps: int, classifier_steps: int, marked: int, marks_steps: int, batch: int,
    captions: int, seed: int, threads: int, device: str, start: Path | None, install: bool,
) -> None:  # fmt: skip
    """Train all parts, put the pipeline together and measure it."""
    hush()
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    if start is not None:
        unpack(start, work)
    drawn = pictures(work, people, processes=threads)
    tokenizer = text.make_tokenizer(work, words())
    encoder = text.teach(
        work, tokenizer, width=128, layers=2, steps=text_steps, people=people, seed=seed,
        device=device,
    )  # fmt: skip
    vae = nets.teach_vae(work, drawn, steps=vae_steps, seed=seed, device=device)
    latents, factor = nets.encode(work, vae, drawn, device)
    if decoder_steps:
        nets.sharpen(work, vae, drawn, steps=decoder_steps, seed=seed, device=device)
    classifier = nets.teach_classifier(
        work, vae, drawn, steps=classifier_steps, seed=seed, device=device
    )
    unet = nets.teach_unet(
        work, tokenizer, encoder, latents, steps=unet_steps, batch=batch, seed=seed, device=device
    )
    nets.settle(vae)
    vae.register_to_config(scaling_factor=factor)
    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=encoder, tokenizer=tokenizer, unet=unet,
        scheduler=DDIMScheduler.from_config(
            nets.noise_schedule().config, set_alpha_to_one=False, steps_offset=1,
            timestep_spacing="trailing",
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(work / "pipeline")
    table: dict[str, Any] = evaluate(pipeline.to(device, torch.float32), classifier, captions, work)
    marks, table["marks"] = teach_marks(
        work, vae, count=marked, steps=marks_steps, seed=seed, device=device, processes=threads
    )
    write_classifier(work / "attributes.safetensors", classifier)
    write_classifier(work / "marks.safetensors", marks)
    table |= {"unet_steps": unet_steps, "captions": captions}
    write_json(work / "evaluation.json", table)
    print(json.dumps(table, indent=2))
    if install:
        ship(work, tinypeople.HERE)


@torch.no_grad()
def evaluate(
    pipeline: StableDiffusionPipeline, classifier: AttributeClassifier, captions: int, work: Path
) -> dict[str, dict[str, float]]:
    """How often the classifier is right on drawn pictures, and finds in generated ones what their
    caption asked for."""
    numbers = list(range(HELD_OUT, HELD_OUT + captions))
    truth = values(numbers)
    real = [draw(person(n).scene(), SIZE) for n in numbers]
    prompts = [full_caption(person(n)) for n in numbers]
    made: list[Image.Image] = []
    pipeline.set_progress_bar_config(disable=True)
    for first in range(0, captions, 25):
        generators = [torch.Generator().manual_seed(n) for n in numbers[first : first + 25]]
        made += pipeline(
            prompts[first : first + 25], num_inference_steps=25, guidance_scale=4.0,
            generator=generators,
        ).images  # fmt: skip
    sheet(made[:60]).save(work / "drawn.png")
    device = pipeline.device
    table: dict[str, dict[str, float]] = {"drawn": {}, "generated": {}}
    for kind, seen in (("drawn", real), ("generated", made)):
        logits = classifier.to(device)(as_tensor(seen).to(device))
        for name in ATTRIBUTES:
            if name == "pose":
                continue
            right = logits[name].argmax(1).cpu() == truth[name]
            table[kind][name] = round(right.float().mean().item(), 4)
    table["asked"] = {name: table["generated"][name] for name in ASKED}
    return table


def sheet(made: list[Image.Image]) -> Image.Image:
    """Pictures in rows of ten."""
    sheet = Image.new("RGB", (SIZE * 10, SIZE * -(-len(made) // 10)))
    for index, picture in enumerate(made):
        sheet.paste(picture, (index % 10 * SIZE, index // 10 * SIZE))
    return sheet


if __name__ == "__main__":
    main()
