"""Training and drawing at Stable Diffusion 1.5's real size on a GPU, beside the loop that
diffusers' `train_text_to_image_lora.py` runs, and beside what the card can do at most.

    python benchmarks/bench_gpu.py --steps 60 --seconds 240
    python benchmarks/bench_gpu.py --only "drawing|rank 4" --add   # a second run; rows say which

Nothing is downloaded: the base has random weights, which cost as much time as good ones. `--small`
tries it all on a tiny base, on the CPU as well; the figures then mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
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
from harness import RESULTS, keep, machine, show
from pictures import write_set

from hubtools.models.base import RANDOM_WEIGHTS_KEY
from hubtools.progress import PlainReporter
from hubtools.project import Project
from hubtools.settings import DatasetSettings, SampleSettings, TrainSettings

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
BATCHES = 3  # drawn in one call
PEERS = [(16, 1), (16, 4), (4, 1), (4, 4)]  # (rank, batch)


def build_base(folder: Path, small: bool) -> Path:
    """A pipeline of Stable Diffusion 1.5's configuration, bf16, in the Hub's layout: UNet 860 M,
    text encoder 123 M, VAE 84 M parameters of random weights."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline
    from diffusers import UNet2DConditionModel as UNet
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from hubtools.models.families.tiny import build_tiny_pipeline
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
    from hubtools.inference.pipeline import draw
    from hubtools.inference.shots import shots_of
    from hubtools.models.base import resolve_base
    from hubtools.models.device import best_device, best_dtype
    from hubtools.models.loading import load_pipeline

    project = Project(samples=SampleSettings(steps=steps, size=size))
    found = resolve_base(str(base))
    device = best_device()
    dtype = "bfloat16" if CUDA else best_dtype(device)
    pipeline = load_pipeline(found, dtype=dtype, device=device)
    prompt = "photo of a woman in a park"

    def ours(number: int, batch: int, times: int) -> None:
        shots, names = shots_of(project.samples, [prompt], size, images=batch * times)
        target = folder / f"{batch}-{number}"
        draw(pipeline, shots, target, names=names, base=found, batch_size=batch)

    def bare(number: int, batch: int, times: int) -> None:
        options = {"num_inference_steps": steps, "height": size, "width": size}
        for first in range(0, batch * times, batch):
            seeds = [torch.Generator("cpu").manual_seed(first + n) for n in range(batch)]
            images = pipeline([prompt] * batch, generator=seeds, **options).images
            for index, image in enumerate(images):
                image.save(folder / f"bare-{number}-{first + index}.png")

    rows = []
    folder.mkdir()
    for batch in (1, each):
        for name, work in (("hubtools", ours), ("diffusers", bare)):
            work(0, batch, 1)
            times = []
            for number in (1, 2):
                begun = time.perf_counter()
                work(number, batch, BATCHES)
                times.append(time.perf_counter() - begun)
            speed = round(batch * BATCHES / min(times), 2)
            rows.append({"drawn by": name, "batch": batch, "pictures_s": speed})
        ratio = rows[-2]["pictures_s"] / rows[-1]["pictures_s"]
        rows[-2:] = [row | {"ratio": round(ratio, 2)} for row in rows[-2:]]
    return rows


def _name(row: dict[str, Any]) -> str:
    more = [key for key, value in row.items() if value is True]
    more += ["no graph"] if row.get("cuda_graph") is False else []
    return ", ".join(["hubtools", row.get("mixed_precision", "bf16"), *more])


def _title(row: dict[str, Any]) -> str:
    return f"{_name(row)}, rank {row['rank']}, batch {row['train_batch_size']}"


class Bench:
    """What has been measured, in this run and, with `add`, in those before it."""

    LISTS = ("ceilings", "drawing", "parts", "compiled")

    def __init__(self, name: str, seconds: float, only: str | None, add: bool, note: str) -> None:
        self.name, self.seconds, self.only, self.note = name, seconds, only, note
        self.begun = time.perf_counter()
        path = RESULTS / f"{name}.json"
        there = json.loads(path.read_text(encoding="utf-8")) if add and path.is_file() else {}
        first = {"run": 1, "when": there.get("when"), "machine": there.get("machine")}
        self.runs = there.get("runs") or ([first] if there else [])
        self.run = len(self.runs) + 1
        self.found: dict[str, list[dict[str, Any]]] = {}
        for key in ("rows", *self.LISTS):
            old = there.get(key) or []
            rows = old if isinstance(old, list) else [old]
            self.found[key] = [{"run": 1} | row for row in rows]
        self.failed: dict[str, str] = {}

    def attempt(self, name: str, work: Callable[[], None]) -> None:
        """Do it, unless it is not asked for or the time is up; what fails is told and passed."""
        if self.only and not re.search(self.only, name):
            return
        if time.perf_counter() - self.begun > self.seconds:
            self.failed[name] = "no time left"
            return
        try:
            work()
        except Exception as error:
            self.failed[name] = f"{type(error).__name__}: {error}"[:1500]
            traceback.print_exc()
        print(f"[{time.perf_counter() - self.begun:5.0f} s] {name}", flush=True)
        self.keep()  # a kill must not take all of it

    def add(self, key: str, *rows: dict[str, Any]) -> None:
        """Rows of this run."""
        self.found[key] += [{"run": self.run} | row for row in rows]

    def keep(self, *, shown: bool = False) -> None:
        """Compare with the plain loop of the same run, or else of an earlier one; write."""
        for row in self.found["rows"]:
            alike = [
                other
                for other in self.found["rows"]
                if "plain" in other["what"] and other["batch"] == row["batch"]
            ]
            alike.sort(key=lambda peer: (peer["run"] != row["run"], peer["rank"] != row["rank"]))
            row["ratio"] = round(row["steps_s"] / alike[0]["steps_s"], 2) if alike else None
            row["to_run"] = alike[0]["run"] if alike else None
        for key in self.LISTS if shown else ():
            if self.found[key]:
                show(self.found[key])
        now: dict[str, Any] = {"run": self.run, "when": time.strftime("%Y-%m-%d")}
        now |= {"note": self.note, "machine": machine()}
        more = {key: self.found[key] for key in self.LISTS}
        keep(
            self.name, self.found["rows"], quiet=not shown,
            runs=[*self.runs, now], failed=self.failed, **more,
        )  # fmt: skip


def main() -> None:
    """Measure one thing after the other until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=600, help="begin nothing later than that")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", help="a regular expression of what to measure")
    parser.add_argument("--add", action="store_true", help="keep the figures of earlier runs")
    parser.add_argument("--note", default="", help="what is new in this run, kept with it")
    options = parser.parse_args()
    size = 64 if options.small else 512
    if not (CUDA or options.small):
        print("There is no CUDA GPU; --small tries it without one.")
        return
    name = "gpu-small" if options.small else "gpu"
    bench = Bench(name, options.seconds, options.only, options.add, options.note)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        os.environ["HUBTOOLS_CACHE"] = str(root / "cache")
        base = build_base(root / "base", options.small)
        write_set(root / "data", 16, (size, size), ".jpg")

        def ours(row: dict[str, Any]) -> None:
            folder = root / f"run{len(bench.found['rows'])}"
            found = train_ours(base, root / "data", folder, options.steps, size, row)
            add(_name(row), row["rank"], row["train_batch_size"], found, row)

        def peer(rank: int, batch: int) -> None:
            found = train_peer(base, root / "data", options.steps, size, rank, batch)
            add("plain loop, bf16", rank, batch, found, {})

        def add(what: str, rank: int, batch: int, found: Any, row: dict[str, Any]) -> None:
            work = flops_of_a_step(base, size, rank, batch)
            counted = not (row.get("gradient_checkpointing") or row.get("with_prior_preservation"))
            bench.add(
                "rows",
                {
                    "what": what, "rank": rank, "batch": batch,
                    "steps_s": round(found["steps_s"], 2),
                    "pictures_s": round(found["steps_s"] * batch, 2),
                    "tflop_s": round(found["steps_s"] * work / 1e12, 1) if counted else None,
                    "memory_gb": round(found["memory_gb"], 2),
                    "first_step_s": round(found["first_step_s"], 2),
                    "whole_run_s": round(found["whole_run_s"], 1),
                },
            )  # fmt: skip

        def plain(rank: int, batch: int) -> None:
            bench.attempt(f"plain loop, rank {rank}, batch {batch}", lambda: peer(rank, batch))

        def rows(wanted: list[dict[str, Any]]) -> None:
            for row in wanted:
                bench.attempt(_title(row), lambda r=row: ours(r))  # type: ignore[misc]

        def passes(key: str) -> None:
            for row in parts(base, size, compiled=key == "compiled"):
                bench.add(key, row)
                bench.keep()

        steps, each = (4, 2) if options.small else (20, 4)
        bench.attempt("ceilings", lambda: bench.add("ceilings", ceilings()))
        for row, (rank, batch) in zip(ROWS[:2], PEERS[:2], strict=True):
            rows([row])
            plain(rank, batch)
        rows(ROWS[2:4])
        bench.attempt(
            "drawing",
            lambda: bench.add("drawing", *sampling(base, root / "drawn", size, steps, each)),
        )
        bench.attempt("parts", lambda: passes("parts"))
        rows(ROWS[4:])
        for rank, batch in PEERS[2:]:
            plain(rank, batch)
        bench.keep(shown=True)
        if not options.small:
            bench.attempt("compiled", lambda: passes("compiled"))  # last: it may take minutes
            bench.keep(shown=True)
    print(json.dumps(bench.failed, indent=2))


if __name__ == "__main__":
    main()
