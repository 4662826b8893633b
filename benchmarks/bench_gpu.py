"""Training and drawing at Stable Diffusion 1.5's real size on a GPU, beside the loop that
diffusers' `train_text_to_image_lora.py` runs, and beside what the card can do at most.

    python benchmarks/bench_gpu.py --steps 60 --seconds 240

Nothing is downloaded: the base has random weights, which cost as much time as good ones. `--small`
tries it all on a tiny base, on the CPU as well; the figures then mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from gpu_parts import ceilings, flops_of_a_step, parts
from harness import RESULTS, keep, show
from pictures import write_set

from hubtools.inference.base import RANDOM_WEIGHTS_KEY
from hubtools.project import DatasetSettings, Project, SampleSettings, TrainSettings
from hubtools.training.reporter import PlainReporter

HERE = Path(__file__).resolve().parent
CUDA = torch.cuda.is_available()

# what is trained, the most telling first
ROWS: list[dict[str, Any]] = [
    {"rank": 16, "train_batch_size": 1},
    {"rank": 16, "train_batch_size": 4},
    {"rank": 16, "train_batch_size": 1, "cuda_graph": False},
    {"rank": 16, "train_batch_size": 4, "cuda_graph": False},
    {"rank": 4, "train_batch_size": 1},
    {"rank": 16, "train_batch_size": 4, "gradient_checkpointing": True},
    {"rank": 4, "train_batch_size": 4},
    {"rank": 16, "train_batch_size": 1, "mixed_precision": "fp16"},
    {"rank": 16, "train_batch_size": 1, "with_prior_preservation": True, "class_prompt": "a photo"},
]
PEERS = [(16, 1), (16, 4), (4, 1), (4, 4)]  # (rank, batch)


def build_base(folder: Path, small: bool) -> Path:
    """A pipeline of Stable Diffusion 1.5's configuration, bf16, in the Hub's layout: UNet 860 M,
    text encoder 123 M, VAE 84 M parameters of random weights."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline
    from diffusers import UNet2DConditionModel as UNet
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from hubtools.inference.tiny import build_tiny_pipeline
    from hubtools.tinypeople import MODEL

    if small:
        return build_tiny_pipeline(folder)
    torch.manual_seed(0)
    with torch.device("cuda" if CUDA else "cpu"):
        unet = UNet(
            sample_size=64,
            cross_attention_dim=768,
            attention_head_dim=8,
            block_out_channels=(320, 640, 1280, 1280),
        )
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            sample_size=512,
        )
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                num_attention_heads=12, max_position_embeddings=77, projection_dim=768,
            )
        )  # fmt: skip
    scheduler = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=vae, text_encoder=text, unet=unet, scheduler=scheduler, safety_checker=None,
        tokenizer=CLIPTokenizer.from_pretrained(str(MODEL), subfolder="tokenizer"),
        feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    for module in (unet, vae, text):
        torch.nn.Module.to(module, torch.bfloat16)  # diffusers' own `to` warns of an empty list
    pipeline.save_pretrained(str(folder))
    index = folder / "model_index.json"
    content = json.loads(index.read_text(encoding="utf-8")) | {RANDOM_WEIGHTS_KEY: True}
    index.write_text(json.dumps(content, indent=2), encoding="utf-8")
    count = sum(p.numel() for module in (unet, vae, text) for p in module.parameters())
    print(f"base: {count / 1e6:.0f} M parameters", flush=True)
    return folder


class Watch(PlainReporter):
    """Notes when the steps begin, and how much memory the work before them took."""

    def __init__(self) -> None:
        super().__init__(lambda sentence: None)
        self.begun = time.perf_counter()
        self.first_step: float | None = None
        self.before_steps = 0

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0) -> Iterator[Any]:
        def advance(more: int, word: str) -> None:
            if title == "training" and self.first_step is None:
                self.first_step = time.perf_counter() - self.begun

        yield advance
        if title == "encoding":  # the run counts anew before its steps
            self.before_steps = _peak()


def _peak() -> int:
    """Most bytes of GPU memory held by PyTorch since the last reset."""
    return torch.cuda.max_memory_reserved() if CUDA else 0


def _reset() -> None:
    if CUDA:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def train_ours(base: Path, data: Path, run_dir: Path, steps: int, size: int, row: Any) -> Any:
    """One run of `hubtools train`, from its settings to the checked LoRA."""
    from hubtools.training.metrics import read_metrics
    from hubtools.training.train import train

    settings = {
        "pretrained_model_name_or_path": str(base),
        "output_dir": str(run_dir),
        "resolution": size,
        "max_train_steps": steps,
        "validation_steps": 0,
        "checkpointing_steps": steps,
        "snapshot_steps": steps,
        "mixed_precision": "bf16",
    }
    project = Project(
        dataset=DatasetSettings(path=str(data)), train=TrainSettings(**(settings | row))
    )
    _reset()
    watch = Watch()
    train(project, skip_validation=True, reporter=watch)
    whole = time.perf_counter() - watch.begun
    # the first look at the figures ends the first step, which warms up and records
    timed = [m.seconds for m in read_metrics(project.run_dir) if m.step > min(20, steps // 2)]
    return {
        "steps_s": len(timed) / sum(timed),
        "first_step_s": watch.first_step,
        "whole_run_s": whole,
        "memory_gb": max(_peak(), watch.before_steps) / 1e9,
    }


def train_peer(base: Path, data: Path, steps: int, size: int, rank: int, batch: int) -> Any:
    """The usual loop, in a process of its own (Accelerator keeps its precision for good)."""
    told = json.dumps([str(base), str(data), steps, size, rank, batch])
    done = subprocess.run(
        [sys.executable, str(HERE / "gpu_peer.py"), told],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def sampling(base: Path, folder: Path, size: int, steps: int, each: int) -> list[dict[str, Any]]:
    """Pictures a second, drawn by hubtools (records and PNG files and all) and by a bare call."""
    from hubtools.inference.base import resolve_base
    from hubtools.inference.generate import open_pipeline
    from hubtools.inference.pipeline import draw
    from hubtools.inference.shots import shots_of

    project = Project(samples=SampleSettings(steps=steps, size=size))
    found = resolve_base(str(base))
    pipeline = open_pipeline(project, found, dtype="bfloat16" if CUDA else None)
    prompt = "photo of a woman in a park"

    def ours(number: int) -> None:
        shots, names = shots_of(project.samples, [prompt], size, images=each)
        draw(pipeline, shots, folder / str(number), names=names, base=found, batch_size=each)

    def bare(number: int) -> None:
        seeds = [torch.Generator("cpu").manual_seed(seed) for seed in range(each)]
        options = {"num_inference_steps": steps, "height": size, "width": size, "generator": seeds}
        for index, image in enumerate(pipeline([prompt] * each, **options).images):
            image.save(folder / f"bare-{number}-{index}.png")

    rows = []
    (folder).mkdir()
    for name, work in (("hubtools", ours), ("diffusers", bare)):
        work(0)
        times = []
        for number in (1, 2, 3):
            begun = time.perf_counter()
            work(number)
            times.append(time.perf_counter() - begun)
        rows.append({"drawn by": name, "batch": each, "pictures_s": round(each / min(times), 2)})
    ratio = rows[0]["pictures_s"] / rows[1]["pictures_s"]
    return [row | {"ratio": round(ratio, 2)} for row in rows]


def _name(row: dict[str, Any]) -> str:
    more = [key for key, value in row.items() if value is True]
    more += ["no graph"] if row.get("cuda_graph") is False else []
    return ", ".join(["hubtools", row.get("mixed_precision", "bf16"), *more])


def _title(row: dict[str, Any]) -> str:
    return f"{_name(row)}, rank {row['rank']}, batch {row['train_batch_size']}"


def main() -> None:
    """Measure one thing after the other until the time is up; what fails is told and passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=600, help="begin nothing later than that")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    begun = time.perf_counter()
    size = 64 if options.small else 512
    if not (CUDA or options.small):
        print("There is no CUDA GPU; --small tries it without one.")
        return
    rows: list[dict[str, Any]] = []
    more: dict[str, Any] = {"failed": {}}

    def attempt(name: str, work: Callable[[], None]) -> None:
        spent = time.perf_counter() - begun
        if spent > options.seconds:
            more["failed"][name] = "no time left"
            return
        try:
            work()
        except Exception as error:
            more["failed"][name] = f"{type(error).__name__}: {error}"[:1500]
            traceback.print_exc()
        print(f"[{time.perf_counter() - begun:5.0f} s] {name}", flush=True)
        RESULTS.mkdir(exist_ok=True)
        partial = RESULTS / "gpu-partial.json"  # a kill must not take all of it
        partial.write_text(json.dumps({"rows": rows} | more, indent=2), encoding="utf-8")

    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        os.environ["HUBTOOLS_CACHE"] = str(root / "cache")
        base = build_base(root / "base", options.small)
        write_set(root / "data", 16, (size, size), ".jpg")

        def ours(row: dict[str, Any]) -> None:
            found = train_ours(
                base, root / "data", root / f"run{len(rows)}", options.steps, size, row
            )
            add(_name(row), row["rank"], row["train_batch_size"], found, row)

        def peer(rank: int, batch: int) -> None:
            found = train_peer(base, root / "data", options.steps, size, rank, batch)
            add("plain loop, bf16", rank, batch, found, {})

        def add(name: str, rank: int, batch: int, found: Any, row: dict[str, Any]) -> None:
            work = flops_of_a_step(base, size, rank, batch)
            counted = not (row.get("gradient_checkpointing") or row.get("with_prior_preservation"))
            rows.append(
                {
                    "what": name, "rank": rank, "batch": batch,
                    "steps_s": round(found["steps_s"], 2),
                    "pictures_s": round(found["steps_s"] * batch, 2),
                    "tflop_s": round(found["steps_s"] * work / 1e12, 1) if counted else None,
                    "memory_gb": round(found["memory_gb"], 2),
                    "first_step_s": round(found["first_step_s"], 2),
                    "whole_run_s": round(found["whole_run_s"], 1),
                }
            )  # fmt: skip

        attempt("ceilings", lambda: more.update(ceilings=ceilings()))
        for row in ROWS[:2]:
            attempt(_title(row), lambda r=row: ours(r))  # type: ignore[misc]
            rank, batch = row["rank"], row["train_batch_size"]
            attempt(f"plain loop, rank {rank}, batch {batch}", lambda r=rank, b=batch: peer(r, b))  # type: ignore[misc]
        for row in ROWS[2:4]:
            attempt(_title(row), lambda r=row: ours(r))  # type: ignore[misc]
        drawing: list[dict[str, Any]] = []
        steps, each = (4, 2) if options.small else (20, 4)
        attempt(
            "drawing", lambda: drawing.extend(sampling(base, root / "drawn", size, steps, each))
        )
        more["drawing"] = drawing
        attempt("parts", lambda: more.update(parts=parts(base, size, compiled=False)))
        for row in ROWS[4:]:
            attempt(_title(row), lambda r=row: ours(r))  # type: ignore[misc]
        for rank, batch in PEERS[2:]:
            attempt(f"plain loop, rank {rank}, batch {batch}", lambda r=rank, b=batch: peer(r, b))  # type: ignore[misc]
        _tell(rows, more, options.small)
        if not options.small:
            # last, since it may take minutes
            attempt("compiled", lambda: more.update(compiled=parts(base, size, compiled=True)))
            _tell(rows, more, options.small)
    print(json.dumps(more["failed"], indent=2))


def _tell(rows: list[dict[str, Any]], more: dict[str, Any], small: bool) -> None:
    for row in rows:
        peers = [r for r in rows if "plain" in r["what"] and r["batch"] == row["batch"]]
        same = [r for r in peers if r["rank"] == row["rank"]] or peers
        row["ratio"] = round(row["steps_s"] / same[0]["steps_s"], 2) if same else None
    for name in ("ceilings", "drawing", "parts", "compiled"):
        if more.get(name):
            show(more[name] if isinstance(more[name], list) else [more[name]])
    if rows:
        keep("gpu-small" if small else "gpu", rows, **more)
    (RESULTS / "gpu-partial.json").unlink(missing_ok=True)


if __name__ == "__main__":
    main()
