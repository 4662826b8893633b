"""Read a shipped dataset and LoRA back as a stranger would: a script of its own.

What it proves is that stock `datasets` and stock `diffusers` work with what was pushed. So it
imports nothing of hubtools but what bounds a base's chat template, which is a program, and what
keeps compiled code where no other user puts any. Run as `python readback.py QUESTIONS.json`; prints
one JSON object of answers on the last line of stdout. The Hub is chosen by HF_ENDPOINT.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from hubtools.chats import bound
from hubtools.compiled import keep_compiled_code_at_home, keep_headers_at_home


def picture_hash(picture: Any) -> str:
    """SHA-256 over size and RGB bytes: equal for equal pixels, whatever the file looks like."""
    rgb = picture.convert("RGB")
    return hashlib.sha256(f"{rgb.width}x{rgb.height}".encode() + rgb.tobytes()).hexdigest()


def run_no_postscript() -> None:
    """From now on Pillow, which `datasets` opens pictures with whatever they are, finds no
    Ghostscript: it would run what calls itself a picture."""
    from PIL import EpsImagePlugin

    EpsImagePlugin.gs_binary = False


def keep_out(packages: list[str]) -> None:
    """From now on these packages, which start programs by the words of a model's settings, are
    not found."""
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]


def bound_templates(pipeline: Any) -> None:
    """From now on chat templates of the pipeline's parts run in bounds."""
    for part in pipeline.components.values():
        if hasattr(part, "apply_chat_template"):
            bound(part, "the base model")


def read_dataset(repo: str, revision: str | None) -> dict[str, Any]:
    """`load_dataset(repo)`: rows, columns, and a hash of each picture in order."""
    import datasets

    run_no_postscript()
    loaded = datasets.load_dataset(repo, revision=revision, split="train")
    return {
        "rows": loaded.num_rows,
        "columns": list(loaded.column_names),
        "pictures": [picture_hash(row["image"]) for row in loaded],
    }


def draw_sample(
    base: str, repo: str, record: dict[str, Any], asked: dict[str, Any], allow_pickle: bool
) -> Any:
    """A fresh pipeline of the base, the LoRA from its repository, one picture by its record;
    `asked` are its words and guidance by the names that the pipeline has for them."""
    import diffusers
    import torch

    keep_compiled_code_at_home()
    keep_headers_at_home()
    safe = {} if allow_pickle else {"use_safetensors": True}
    pipeline = diffusers.DiffusionPipeline.from_pretrained(
        base, torch_dtype=getattr(torch, record["dtype"]), **safe
    )
    bound_templates(pipeline)
    pipeline.load_lora_weights(repo, adapter_name="published", use_safetensors=True)
    pipeline.set_adapters(["published"], [record["lora_weight"]])
    if record["scheduler"] != "default":
        scheduler = getattr(diffusers, record["scheduler_class"])
        pipeline.scheduler = scheduler.from_config(
            pipeline.scheduler.config, **record.get("scheduler_options", {})
        )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        **asked,
        num_inference_steps=record["steps"],
        width=record["width"],
        height=record["height"],
        generator=torch.Generator("cpu").manual_seed(record["seed"]),
    ).images[0]


def compare(drawn: Any, local: Path) -> dict[str, Any]:
    """Largest and mean difference of two pictures in steps of 0..255."""
    import numpy
    from PIL import Image

    with Image.open(local, formats=("PNG",)) as picture:
        expected = numpy.asarray(picture.convert("RGB"), dtype=numpy.int16)
    found = numpy.asarray(drawn.convert("RGB"), dtype=numpy.int16)
    if expected.shape != found.shape:
        return {"max": 255, "mean": 255.0}
    difference = numpy.abs(expected - found)
    return {"max": int(difference.max()), "mean": float(difference.mean())}


def main() -> None:
    """Answer the questions in the file named on the command line."""
    questions = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answers: dict[str, Any] = {}
    keep_out(questions.get("kept_out", []))
    if questions.get("dataset"):
        answers["dataset"] = read_dataset(**questions["dataset"])
    if questions.get("sample"):
        sample = questions["sample"]
        if sample.get("threads"):
            import torch

            torch.set_num_threads(sample["threads"])
        drawn = draw_sample(
            sample["base"],
            sample["repo"],
            sample["record"],
            sample["asked"],
            sample.get("allow_pickle", False),
        )
        answers["sample"] = compare(drawn, Path(sample["local"]))
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
