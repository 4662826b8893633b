"""A release of more than one file: adapters that belong together, and embeddings of new words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from hubtools.commands.remote import plan_prune_remote
from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.lorafile.companions import adapter_name
from hubtools.publish.classify import classify
from tests.typed import typed

Make = Callable[..., Path]


@pytest.fixture
def several(run_dir: Path, make_lora_file: Make, make_weights: Make) -> Path:
    """A run with a second LoRA, and the embeddings of pivotal tuning."""
    make_lora_file(run_dir / "light.v2.safetensors", rank=7)
    make_weights(run_dir / "people_emb.safetensors", {"clip_l": [2, 768], "clip_g": [2, 1280]})
    return run_dir


def kept(root: Path, **options: object) -> set[str]:
    items = classify(root, **options).kept  # type: ignore[arg-type]
    return {item.target or item.path for item in items if item.path.endswith(".safetensors")}


def test_adapters_that_are_named_are_published(several: Path) -> None:
    assert kept(several) == {LORA_WEIGHTS, "people_emb.safetensors"}
    light = {"adapters": ["light.v2.safetensors"]}
    assert kept(several, **light) == {
        LORA_WEIGHTS, "people_emb.safetensors", "light.v2.safetensors"
    }  # fmt: skip
    for name in (
        "none",
        "people_emb.safetensors",
        "snapshots/people-step000005.safetensors",
    ):
        with pytest.raises(HubtoolsError, match=r"model\.adapters names"):
            classify(several, adapters=[name])


def test_a_folder_of_adapters_alone(tmp_path: Path, make_lora_file: Make) -> None:
    for rank, name in enumerate(("high.safetensors", "low.safetensors"), 2):
        make_lora_file(tmp_path / name, rank=rank)
    with pytest.raises(HubtoolsError, match="several LoRA files") as caught:
        classify(tmp_path)
    assert "--adapters high.safetensors --adapters low.safetensors" in str(caught.value.hint)
    assert kept(tmp_path, adapters=["high.safetensors", "low.safetensors"]) == {
        "high.safetensors", "low.safetensors"
    }  # fmt: skip
    assert kept(tmp_path, adapters=["low.safetensors"]) == {"high.safetensors", "low.safetensors"}


def test_they_are_pushed_in_one_commit_and_kept_there(local_hub: Hub, several: Path) -> None:
    without = typed("push", several, "me/people", "--dry-run")
    assert "light.v2.safetensors" not in without.stderr
    done = typed("push", several, "me/people", "--adapters", "light.v2.safetensors")
    assert done.returncode == 0, done.stderr
    assert "P105" not in done.stderr
    assert {"light.v2.safetensors", "people_emb.safetensors", LORA_WEIGHTS} <= set(
        HfApi().list_repo_files("me/people")
    )
    removed = plan_prune_remote("me/people", adapters=["light.v2.safetensors"]).removed
    assert not any(item.path.endswith(".safetensors") for item in removed)
    shown = typed("prune", "--remote", "me/people", "--format", "json")
    rows = {row["path"]: row["why"] for row in json.loads(shown.stdout)}
    assert "--adapters" in rows["light.v2.safetensors"]


def test_without_the_usual_name_it_is_told_that_one_alone_may_be_loaded(
    local_hub: Hub, tmp_path: Path, make_lora_file: Make
) -> None:
    root = tmp_path / "two"
    (root / "LICENSE.md").parent.mkdir()
    (root / "README.md").write_text("---\nlicense: mit\n---\n# Two\n")
    for rank, name in enumerate(("high.safetensors", "low.safetensors"), 2):
        make_lora_file(root / name, rank=rank)
    done = typed(
        "push", root, "me/two", "--adapters", "high.safetensors", "--adapters", "low.safetensors"
    )
    assert done.returncode == 0, done.stderr
    assert "P105" in done.stderr


@pytest.mark.parametrize(
    ("file", "name"),
    [("a-b.v2.safetensors", "a_b_v2"), ("pytorch_lora_weights.safetensors", "pytorch_lora_weights"),
     ("ü.safetensors", "ü"), ("..safetensors", "lora")],
)  # fmt: skip
def test_an_adapter_has_a_name_that_modules_may_have(file: str, name: str) -> None:
    assert adapter_name(file) == name
