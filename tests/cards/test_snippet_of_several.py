"""The Python of a card loads all that a release is made of: tried with stock diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from huggingface_hub import HfApi
from safetensors.torch import save_file

from hubtools.cards.addressed import name_repository
from hubtools.cards.render import write_model_card
from hubtools.cards.rules import check_card
from hubtools.cards.snippet import in_repository, snippet
from hubtools.localhub.server import Hub
from hubtools.lorafile.companions import companions
from hubtools.project import Project
from hubtools.weights import read_header

UNET, TEXT = (
    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    ("text_encoder.text_model.encoder.layers.0.self_attn.q_proj"),
)


def lora(path: Path, *layers: tuple[str, int], rank: int = 2) -> None:
    tensors = {}
    for name, width in layers:
        tensors[f"{name}.lora_A.weight"] = torch.randn(rank, width)
        tensors[f"{name}.lora_B.weight"] = torch.randn(width, rank)
    save_file(tensors, path)


def test_every_file_is_loaded(local_hub: Hub, tiny_base: Path, tmp_path: Path) -> None:
    from diffusers import DiffusionPipeline

    plain = DiffusionPipeline.from_pretrained(str(tiny_base))
    width = plain.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q.in_features
    hidden = plain.text_encoder.config.hidden_size
    root = tmp_path / "release"
    root.mkdir()
    lora(root / "face.safetensors", (UNET, width), (TEXT, hidden))
    lora(root / "light.v2.safetensors", (UNET, width), rank=3)
    save_file({"clip_l": torch.randn(2, hidden)}, root / "face_emb.safetensors")
    save_file({"<mood>": torch.randn(1, hidden)}, root / "mood.safetensors")
    headers = {path.name: read_header(path) for path in sorted(root.iterdir())}
    beside = companions(headers, "face.safetensors", ["light.v2.safetensors"])
    assert [one.file for one in beside] == [
        "light.v2.safetensors", "face_emb.safetensors", "mood.safetensors"
    ]  # fmt: skip
    HfApi().create_repo("me/face", exist_ok=True)
    HfApi().upload_folder(folder_path=root, repo_id="me/face")
    code = snippet(str(tiny_base), "me/face", "face.safetensors", None, "tok", None, beside)
    nowhere = snippet(str(tiny_base), None, "face.safetensors", None, "tok", None, beside)
    assert in_repository(nowhere, "me/face") == code == in_repository(code, "me/other")
    scope: dict[str, Any] = {}
    exec(code.partition("image = pipeline(")[0], scope)  # noqa: S102
    pipeline = scope["pipeline"]
    assert set(pipeline.get_active_adapters()) == {"face", "light_v2"}
    assert set(pipeline.get_list_adapters()["text_encoder"]) == {"face"}
    words = ["<s0>", "<s1>", "<mood>"]
    ids = pipeline.tokenizer.convert_tokens_to_ids(words)
    assert len(pipeline.tokenizer) == len(plain.tokenizer) + 3
    table = pipeline.text_encoder.get_input_embeddings().weight
    held = scope["embeddings"]["clip_l"]
    assert torch.equal(table[ids[:2]].detach().cpu(), held)


def test_the_card_tells_of_all_files(run_dir: Path, project: Project, make_lora_file: Any,
                                     make_weights: Any) -> None:  # fmt: skip
    make_lora_file(run_dir / "light.safetensors", rank=3)
    make_weights(run_dir / "people_emb.safetensors", {"clip_l": [2, 768]})
    both = project.with_settings({("model", "adapters"): ["light.safetensors"]})
    result = write_model_card(run_dir, both)
    assert "adapter_name='light'" in result.text
    assert "pipeline.set_adapters(['pytorch_lora_weights', 'light'])" in result.text
    assert "token=['<s0>', '<s1>']" in result.text
    assert "bring the words `<s0>`, `<s1>`" in result.text
    files = result.text.partition("## Files")[2]
    assert [name in files for name in ("light", "people", "pytorch")] == [True] * 3
    assert check_card(run_dir, "model").ok
    alone = write_model_card(run_dir, project).text
    assert "light.safetensors" not in alone


def test_a_push_names_the_repository_in_the_code(run_dir: Path, project: Project) -> None:
    nowhere = project.with_settings({("model", "repo"): None})
    text = write_model_card(run_dir, nowhere).text
    assert "load_lora_weights('.'," in text
    name_repository(run_dir, "me/late", "model")
    sent = (run_dir / "README.md").read_text()
    assert sent == text.replace("load_lora_weights('.',", "load_lora_weights('me/late',")
    assert "'me/late'" in write_model_card(run_dir, nowhere).text  # it is remembered
