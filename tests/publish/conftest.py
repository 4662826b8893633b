"""Run folders as trainers leave them, and a dataset, all small."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hubtools.layout import LORA_WEIGHTS

Make = Callable[..., Path]
CARD = "---\nlicense: mit\n---\n# People\n\n![a man](images/00.png)\n"


@pytest.fixture
def run_dir(tmp_path: Path, make_lora_file: Make, make_weights: Make) -> Path:
    """What `hubtools train`, `generate` and `card` leave."""
    root = tmp_path / "run"
    make_lora_file(root / LORA_WEIGHTS)
    make_lora_file(root / "snapshots/people-step000005.safetensors", rank=2)
    make_lora_file(root / "snapshots/people-step000010.safetensors", rank=3)
    state = root / "state/step-000010"
    make_lora_file(state / "lora.safetensors")
    make_weights(state / "optimizer.safetensors", {"a.lora_A.weight.exp_avg": [4, 8]})
    files = {
        "run.json": json.dumps({"status": "finished", "lora": {"file": LORA_WEIGHTS}}),
        "hubtools.toml": "[train]\nrank = 4\n",
        "README.md": CARD,
        "LICENSE.md": "terms",
        "metrics.jsonl": '{"step": 1}\n',
        "state/step-000010/state.json": "{}",
        "samples/final_p00_s0.json": "{}",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name in ("images/00.png", "samples/final_p00_s0.png", "loss.png"):
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (len(name), 9, 9)).save(root / name)
    return root


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three pictures with captions and a card."""
    root = tmp_path / "people"
    root.mkdir()
    rows = []
    for number in range(3):
        Image.new("RGB", (8, 8), (80 * number, 9, 9)).save(root / f"{number}.png")
        rows.append(json.dumps({"file_name": f"{number}.png", "text": f"number {number}"}) + "\n")
    (root / "metadata.jsonl").write_text("".join(rows))
    (root / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# People\n")
    return root
