"""A LoRA merged into its base."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubtools.commands import drawing
from hubtools.commands.weights import merge
from hubtools.conversion import merge as merge_base
from hubtools.conversion.merge import _names
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import sha256_of
from hubtools.inference.lora import check_loras, resolve_loras
from hubtools.layout import LORA_WEIGHTS
from hubtools.modelfiles import components_of
from hubtools.models.merged import merged_into
from hubtools.project import Project
from hubtools.rooted import is_left_over
from tests.doomed import RENAME, doomed
from tests.planning import tree
from tests.typed import typed

LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


@pytest.fixture
def lora(tiny_base: Path, tmp_path: Path) -> Path:
    rows, columns = weights(tiny_base / "unet")[f"{LAYER}.weight"].shape
    torch.manual_seed(0)
    tensors = {
        f"unet.{LAYER}.lora_A.weight": torch.randn(4, columns),
        f"unet.{LAYER}.lora_B.weight": torch.randn(rows, 4),
    }
    save_file(tensors, tmp_path / "lora.safetensors")
    return tmp_path / "lora.safetensors"


def test_only_what_the_lora_names_is_changed_by_its_product(
    tiny_base: Path, lora: Path, tmp_path: Path
) -> None:
    done = merge(f"{lora}:0.5", tmp_path / "merged", str(tiny_base))
    assert (done.changed, done.precision) == (("unet",), "float32")
    before, after = weights(tiny_base / "unet"), weights(done.path / "unet")
    assert before.keys() == after.keys()
    tensors = load_file(lora)
    product = tensors[f"unet.{LAYER}.lora_B.weight"] @ tensors[f"unet.{LAYER}.lora_A.weight"] * 0.5
    for name, one in before.items():
        if name == f"{LAYER}.weight":
            assert torch.allclose(after[name], one + product, atol=1e-5)
        else:
            assert torch.equal(after[name], one), name
    for name in ("vae/diffusion_pytorch_model.safetensors", "tokenizer/vocab.json"):
        if (tiny_base / name).exists():
            assert (done.path / name).read_bytes() == (tiny_base / name).read_bytes()


def test_stock_diffusers_draws_with_it_as_with_both(
    tiny_base: Path, lora: Path, tmp_path: Path
) -> None:
    from diffusers import StableDiffusionPipeline

    def drawn(folder: Path, *load: Path) -> torch.Tensor:
        pipeline: Any = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        pipeline.set_progress_bar_config(disable=True)
        for one in load:
            pipeline.load_lora_weights(one.parent, weight_name=one.name)
        noise = torch.Generator().manual_seed(0)
        return torch.from_numpy(
            pipeline("a", num_inference_steps=2, generator=noise, output_type="np").images
        )

    place = merge(str(lora), tmp_path / "merged", str(tiny_base)).path
    assert torch.allclose(drawn(place), drawn(tiny_base, lora), atol=1e-4)
    assert not torch.allclose(drawn(place), drawn(tiny_base), atol=1e-2)


def test_the_command_line(tiny_base: Path, lora: Path, tmp_path: Path) -> None:
    done = typed(
        "merge", lora, "--to", "m", "--base-model", tiny_base, "--dtype=fp16", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "changed unet, in float16" in done.stdout
    assert {one.dtype for one in weights(tmp_path / "m" / "unet").values()} == {torch.float16}
    again = typed("merge", lora, "--to", "m", "--base-model", tiny_base, cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_merged_base_knows_what_it_holds_and_a_project_adds_it_once(
    tiny_base: Path, lora: Path, tmp_path: Path
) -> None:
    place = merge(f"{lora}:0.5", tmp_path / "merged", str(tiny_base)).path
    assert merged_into(place) == {sha256_of(lora): 0.5}
    assert merged_into(tiny_base) == {}
    run = tmp_path / "runs/a"
    run.mkdir(parents=True)
    shutil.copy(lora, run / LORA_WEIGHTS)
    told: list[str] = []

    def drawn_with(base: Path, *asked: str) -> list[str]:
        train = {"pretrained_model_name_or_path": str(base), "output_dir": str(run)}
        project = Project.model_validate({"train": train})
        return list(drawing._loras(project, asked, told.append))

    assert drawn_with(tiny_base) == [str(run)]
    assert not told
    assert drawn_with(place) == []
    assert "has the run's LoRA in its weights already, at 0.5" in told.pop()
    assert drawn_with(place, str(run)) == [str(run)]
    check_loras(resolve_loras([str(run)]), str(place), told.append)
    assert "in its weights already, at 0.5; it is added once more" in told.pop()
    again = merge(str(run), tmp_path / "twice", str(place)).path
    assert merged_into(again) == {sha256_of(lora): 1.5}


def test_a_kill_leaves_nothing_that_the_same_again_does_not_use(
    tiny_base: Path, lora: Path, tmp_path: Path
) -> None:
    words = ("merge", lora, "--to", "m", "--base-model", tiny_base)
    doomed(RENAME, r"\.m\.merge\b(?!\.json)", *words, cwd=tmp_path)
    assert (tmp_path / ".m.merge").is_dir()
    assert not (tmp_path / "m").exists()
    assert typed(*words, cwd=tmp_path).returncode == 0
    assert not [path for path in tmp_path.glob(".m*") if not is_left_over(path.name)]
    there = tree(tmp_path / "m")
    shutil.rmtree(tmp_path / "m")
    doomed(("os.remove",), r"\.m\.merge\.json", *words, cwd=tmp_path)
    assert tree(tmp_path / "m") == there, "it is whole"
    assert typed(*words, cwd=tmp_path).returncode == 0
    assert not [path for path in tmp_path.glob(".m*") if not is_left_over(path.name)]
    assert "is there already" in typed(*words, cwd=tmp_path).stderr
    assert tree(tmp_path / "m") == there


def test_nobody_named_a_base(lora: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No base model"):
        merge(str(lora), tmp_path / "merged")


def test_a_lora_of_other_widths_is_told_in_one_sentence(tiny_base: Path, tmp_path: Path) -> None:
    file = tmp_path / "odd.safetensors"
    tensors = {"lora_A.weight": torch.ones(5, 32), "lora_B.weight": torch.ones(32, 4)}
    save_file({f"unet.{LAYER}.{name}": one for name, one in tensors.items()}, file)
    done = typed("merge", file, "--base-model", tiny_base, "--to", tmp_path / "merged")
    assert done.returncode == 1
    assert "was unsuccessful" not in done.stderr
    assert "does not fit the base" in done.stderr
    assert "size mismatch" not in done.stderr
    assert not (tmp_path / "merged").exists()


def test_numbers_too_large_and_links_are_refused(
    tiny_base: Path, lora: Path, tmp_path: Path
) -> None:
    with pytest.raises(HubtoolsError, match="too large for float16"):
        merge(f"{lora}:9999999", tmp_path / "merged", str(tiny_base), dtype="fp16")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lora.safetensors"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    with pytest.raises(UsageError, match="is there already"):
        merge(str(lora), tmp_path / "link", str(tiny_base))


def test_what_is_no_part_of_the_base_is_not_copied(tiny_base: Path, tmp_path: Path) -> None:
    """A folder that no loader looks into may hold a link to any file, called as weights are."""
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    index = json.loads((base / "model_index.json").read_text())
    index["safety_checker"] = [None, None]
    (base / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "private").write_text("mine")
    for folder in ("extra", "safety_checker"):
        (base / folder).mkdir()
        (base / folder / "model.safetensors").symlink_to(tmp_path / "private")
    names = _names(base, None)
    assert "unet/diffusion_pytorch_model.safetensors" in names
    assert {name.partition("/")[0] for name in names if "/" in name} <= {
        part for part, kind in components_of(index).items() if any(kind)
    }


def test_of_what_lies_beside_the_parts_the_terms_alone_go_along(
    tiny_base: Path, tmp_path: Path
) -> None:
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    for name in ("LICENSE.txt", "notes.txt", "private.json", "TODO.md"):
        (base / name).write_text("{}")
    files = set(_names(base, None))
    assert {name for name in files if "/" not in name} == {"model_index.json", "LICENSE.txt"}
    assert "unet/config.json" in files


def test_weights_that_become_a_link_out_meanwhile_are_not_copied(
    tiny_base: Path, lora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    (tmp_path / "private").write_text("mine")
    room = merge_base._check_room

    def swapped(*words: Any) -> None:
        room(*words)
        weights = base / "vae" / "diffusion_pytorch_model.safetensors"
        weights.unlink()
        weights.symlink_to(tmp_path / "private")

    monkeypatch.setattr(merge_base, "_check_room", swapped)
    monkeypatch.setattr(merge_base, "_write", lambda *words: ((), "float32"))
    with pytest.raises(HubtoolsError, match="link out of the folder"):
        merge(str(lora), tmp_path / "merged", str(base))
    assert not (tmp_path / "merged").exists()
