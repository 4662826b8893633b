"""Training steps beside the loop of diffusers' own script and beside the least that a step can do:
process CPU time, in one process, turn by turn; and the peak of memory, each in one of its own.

    python benchmarks/bench_train.py [--only "tiny@64"] [--turns 6] [--steps 10]

Ours is `hubtools train` itself, log and states included, without what precedes the first step; its
peak of memory is that of a whole training. `floor` is a forward and a backward pass of a stock peft
LoRA over always the same tensors, and fused AdamW. Bases have random weights, which cost as much
time as good ones; `quarter` is Stable Diffusion 1.5 with a quarter of all widths.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from harness import keep, show
from pictures import scene
from train_peers import RANK, Step, floor_sd, official_flux, official_sd, official_sdxl

from hubtools.models.families.tinies import build_tiny
from hubtools.progress import Advance, PlainReporter
from hubtools.project import Project
from hubtools.quiet import hush
from hubtools.settings import DatasetSettings, SampleSettings, TrainSettings
from hubtools.training.train import train

PICTURES, SIDE = 21, 1024
WARM = 5  # steps of each loop that are not measured

Peer = Callable[[str, Path, int], Step]
ROWS: dict[str, tuple[str, int, dict[str, Peer], dict[str, float]]] = {
    "tiny@64": (
        "stable-diffusion", 64, {"official": official_sd, "floor": floor_sd},
        {"official": 2.7, "floor": 1.0},
    ),
    "tiny@128": ("stable-diffusion", 128, {"official": official_sd, "floor": floor_sd}, {}),
    "quarter@128": (
        "quarter", 128, {"official": official_sd, "floor": floor_sd},
        {"official": 1.5, "floor": 0.92},
    ),
    "quarter@256": (
        "quarter", 256, {"official": official_sd, "floor": floor_sd}, {"official": 1.38},
    ),
    "SDXL tiny@64": ("stable-diffusion-xl", 64, {"official": official_sdxl}, {"official": 1.3}),
    "FLUX.1 tiny@64": ("flux", 64, {"official": official_flux}, {"official": 1.3}),
}  # fmt: skip


class Turns(PlainReporter):
    """Lets the other loops run while ours waits between two steps, and keeps the times of all: CPU
    milliseconds a step, of each turn."""

    def __init__(self, peers: dict[str, Step], steps: int) -> None:
        super().__init__(lambda sentence: None, lambda sentence: None)
        self._peers, self._steps = peers, steps
        self.times: dict[str, list[float]] = {name: [] for name in ("ours", *peers)}

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0) -> Iterator[Advance]:
        if title != "training":
            yield lambda more, word: None
            return
        begun, count = time.process_time(), 0

        def advance(more: int, word: str) -> None:
            nonlocal begun, count
            count += more
            if count < WARM or (count - WARM) % self._steps:
                return
            if count > WARM:
                self.times["ours"].append((time.process_time() - begun) * 1e3 / self._steps)
            self._others(warm=count == WARM)
            begun = time.process_time()

        yield advance

    def _others(self, *, warm: bool) -> None:
        for name, step in self._peers.items():
            steps = WARM if warm else self._steps
            begun = time.process_time()
            for _ in range(steps):
                step()
            if not warm:
                self.times[name].append((time.process_time() - begun) * 1e3 / steps)


def base_of(kind: str, work: Path) -> Path:
    """A base with random weights."""
    if kind != "quarter":
        return build_tiny(kind, work / kind)
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    folder, tiny = work / kind, build_tiny("stable-diffusion", work / "for its tokenizer")
    pipeline = StableDiffusionPipeline.from_pretrained(str(tiny), safety_checker=None)
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=64, cross_attention_dim=192, block_out_channels=(80, 160, 320, 320),
        norm_num_groups=16,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(32, 64, 128, 128), layers_per_block=2, sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )  # fmt: skip
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(pipeline.tokenizer), hidden_size=192, intermediate_size=768,
            num_hidden_layers=12, num_attention_heads=3, projection_dim=192,
            bos_token_id=pipeline.tokenizer.bos_token_id,
            eos_token_id=pipeline.tokenizer.eos_token_id, pad_token_id=1,
        )
    )  # fmt: skip
    whole = StableDiffusionPipeline(
        vae=vae, text_encoder=text, tokenizer=pipeline.tokenizer, unet=unet,
        scheduler=pipeline.scheduler, safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )  # fmt: skip
    whole.save_pretrained(str(folder))
    return folder


def data(work: Path) -> Path:
    """Pictures with captions."""
    folder = work / "data"
    folder.mkdir()
    rows = []
    for number in range(PICTURES):
        scene(number, SIDE, SIDE).save(folder / f"{number}.png")
        row = {"file_name": f"{number}.png", "text": f"a picture of thing {number}, in colour"}
        rows.append(json.dumps(row))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def measured(name: str, work: Path, pictures: Path, turns: int, steps: int) -> dict[str, Any]:
    """A row: medians over the turns, and ratios of the least turns, which others disturb least."""
    kind, size, makers, targets = ROWS[name]
    base = base_of(kind, work / name)
    peers = {peer: make(str(base), pictures, size) for peer, make in makers.items()}
    heard = Turns(peers, steps)
    project = Project(
        dataset=DatasetSettings(path=str(pictures)),
        samples=SampleSettings(),
        train=TrainSettings(
            pretrained_model_name_or_path=str(base), output_dir=str(work / name / "run"),
            resolution=size, max_train_steps=WARM + turns * steps, validation_steps=0, rank=RANK,
            num_threads=1, checkpointing_steps=WARM + turns * steps,
        ),
    )  # fmt: skip
    train(project, reporter=heard, skip_validation=True)
    row: dict[str, Any] = {"what": name}
    peaks = {side: peak(make, base, pictures, size) for side, make in makers.items()}
    peaks["ours"] = peak(None, base, pictures, size)
    for side, times in heard.times.items():
        row[f"{side} ms"] = round(statistics.median(times), 2)
    ours = heard.times["ours"]
    for side, target in (("official", targets.get("official")), ("floor", targets.get("floor"))):
        times = heard.times.get(side)
        text = ""
        if times:
            pairs = [a / b for a, b in zip(times, ours, strict=True)]
            ratio = statistics.median(pairs)
            text = f"{ratio:.2f}" if side == "official" else f"{1 / ratio:.2f}"
        row["official / ours" if side == "official" else "ours / floor"] = text or "-"
        row[f"{side} target"] = "-" if target is None else target
    for side in heard.times:
        row[f"{side} MB"] = peaks[side]
    return row


def peak(make: Peer | None, base: Path, pictures: Path, size: int) -> int:
    """MB that a loop held at most, `WARM` steps long."""
    name = "ours" if make is None else make.__name__
    program = Path(__file__).with_name("held_memory.py")
    command = [sys.executable, str(program), name, str(base), str(pictures), str(size), str(WARM)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="rows whose names hold this")
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--steps", type=int, default=10, help="of each loop in a turn")
    asked = parser.parse_args()
    hush()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as work:
        pictures = data(Path(work))
        for name in ROWS:
            if asked.only in name:
                rows.append(measured(name, Path(work), pictures, asked.turns, asked.steps))
                print(rows[-1], flush=True)
                if not asked.only:
                    keep("train", _even(rows), quiet=True)
    show(_even(rows))


def _even(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with the same columns."""
    columns = dict.fromkeys(key for row in rows for key in row)
    return [{key: row.get(key, "-") for key in columns} for row in rows]


if __name__ == "__main__":
    main()
