"""Train the flow base: a Z-Image pipeline that knows drawn people, for the tests.

    python -m base.train_flow --work flow-work        # everything, or on from where it stopped

Autoencoder and classifier are those of `hubtools/tinypeople`; a language model and a transformer
are taught. Nothing is downloaded. Every stage leaves a file in the work folder and is skipped when
it is there; a kill costs two minutes at most. The pipeline is `WORK/pipeline`, what it draws as
asked `WORK/evaluation.json`. To go on from what is shipped: `--start tests/tinyflow/model`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from diffusers import ZImagePipeline

from base import flow, flow_ship, flow_text
from base.data import HELD_OUT, SIZE, _draw, person, to_tensor, values, words
from base.train import sheet
from hubtools.files import write_json
from hubtools.quiet import hush
from hubtools.tinypeople import load_classifier
from hubtools.tinypeople.classifier import as_tensor
from hubtools.world import ATTRIBUTES, full_caption

_SAVED = 320  # people between two writings of their latents


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("flow-work"))
@click.option("--people", default=4_000, show_default=True)
@click.option(
    "--style",
    "styles",
    multiple=True,
    type=click.Choice(ATTRIBUTES["style"]),
    default=("render",),
    show_default=True,
    help="Can be given several times.",
)
@click.option(
    "--framing",
    "framings",
    multiple=True,
    type=click.Choice(ATTRIBUTES["framing"]),
    default=("portrait",),
    show_default=True,
    help="Can be given several times.",
)
@click.option("--text-steps", default=400, show_default=True)
@click.option("--flow-steps", default=6_000, show_default=True)
@click.option("--batch", default=16, show_default=True, help="Pictures in a step.")
@click.option("--peak", default=3e-3, show_default=True, help="Learning rate of the transformer.")
@click.option("--captions", default=100, show_default=True, help="Held-out captions to draw.")
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option(
    "--start",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="What was shipped, to go on from instead of from nothing.",
)
@click.option("--install", is_flag=True, help="Put the result where the tests look for it.")
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu")
def main(
    work: Path, people: int, styles: tuple[str, ...], framings: tuple[str, ...], text_steps: int,
    flow_steps: int, batch: int, peak: float, captions: int, seed: int, threads: int,
    device: str, start: Path | None, install: bool,
) -> None:  # fmt: skip
    """Train both parts, put the pipeline together and measure it."""
    hush()
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    if start is not None:
        flow_ship.unpack(start, work)
    tokenizer = flow_text.make_tokenizer(words())
    reader = flow_text.teach(
        work, tokenizer, steps=text_steps, people=24_000, seed=seed, device=device
    )
    shown, latents = encoded(work, people, styles, framings, device)
    transformer = flow.teach_flow(
        work, tokenizer, reader, shown, latents, steps=flow_steps, batch=batch, peak=peak,
        seed=seed, device=device,
    )  # fmt: skip
    tokenizer.backend_tokenizer.no_padding()  # as teaching has left it; the pipeline chooses
    pipeline = ZImagePipeline(
        scheduler=flow.make_scheduler(), vae=flow.the_vae(), text_encoder=reader.encoder,
        tokenizer=tokenizer, transformer=transformer,
    )  # fmt: skip
    pipeline.to(torch.float16).save_pretrained(work / "pipeline")
    asked = first_of(HELD_OUT, captions, styles, framings)
    table = evaluate(pipeline.to(device, torch.float32), asked, work)
    table |= {
        "flow_steps": flow_steps, "captions": captions, "people": people,
        "styles": list(styles), "framings": list(framings),
    }  # fmt: skip
    write_json(work / "evaluation.json", table)
    print(json.dumps(table, indent=2))
    if install:
        flow_ship.ship(work, flow_ship.TARGET)


def _numbers(start: int, styles: Sequence[str], framings: Sequence[str]) -> Iterator[int]:
    number = start
    while True:
        someone = person(number)
        if someone.style in styles and someone.framing in framings:
            yield number
        number += 1


def first_of(start: int, count: int, styles: Sequence[str], framings: Sequence[str]) -> list[int]:
    """The first `count` people from number `start` on that are drawn so."""
    found = _numbers(start, styles, framings)
    return [next(found) for _ in range(count)]


@torch.no_grad()
def encoded(
    work: Path, count: int, styles: Sequence[str], framings: Sequence[str], device: str
) -> tuple[list[int], torch.Tensor]:
    """(numbers of people, (n, 16, 16, 16) latents in half precision as the pipeline scales them),
    drawn and encoded once; what is there of `work/flow_latents.pt` is gone on from."""
    path = work / "flow_latents.pt"
    wanted = first_of(0, count, styles, framings)
    kept: dict[str, Any] = {"numbers": [], "latents": torch.zeros((0, 16, 16, 16)).half()}
    if path.exists():
        kept = torch.load(path)
        if kept["numbers"][: len(wanted)] != wanted[: len(kept["numbers"])]:
            raise click.ClickException(f"{path} holds other people. Give another --work.")
    vae = flow.the_vae().to(device)
    while len(kept["numbers"]) < count:
        begun = len(kept["numbers"])
        rows = [kept["latents"]]
        for first in range(begun, min(begun + _SAVED, count), 32):
            drawn = np.stack([_draw(n) for n in wanted[first : min(first + 32, count)]])
            mean = vae.encode(to_tensor(drawn).to(device)).latent_dist.mean
            rows.append((mean * vae.config.scaling_factor).half().cpu())
        latents = torch.cat(rows)
        kept = {"numbers": wanted[: len(latents)], "latents": latents}
        torch.save(kept, path.with_suffix(".tmp"))
        os.replace(path.with_suffix(".tmp"), path)
        print("encoded", len(latents), flush=True)
    return kept["numbers"][:count], kept["latents"][:count]


@torch.no_grad()
def evaluate(
    pipeline: Any, numbers: Sequence[int], work: Path, *, steps: int = 25, guidance: float = 3.0
) -> dict[str, Any]:
    """How often the classifier of tiny people finds in pictures what their caption asked for."""
    pipeline.set_progress_bar_config(disable=True)
    classifier = load_classifier("attributes")
    made = []
    for first in range(0, len(numbers), 20):
        some = numbers[first : first + 20]
        made += pipeline(
            [full_caption(person(n)) for n in some], width=SIZE, height=SIZE,
            num_inference_steps=steps, guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(n) for n in some],
        ).images  # fmt: skip
    sheet(made[:60]).save(work / "drawn.png")
    logits, truth = classifier(as_tensor(made)), values(numbers)
    found = {
        name: round((logits[name].argmax(1) == truth[name]).float().mean().item(), 4)
        for name in ATTRIBUTES
        if name != "pose"
    }
    return {"generated": found}


if __name__ == "__main__":
    main()
