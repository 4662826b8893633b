"""`hubtools inspect FILE`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hubtools
from hubtools.errors import HubtoolsError
from hubtools.inference.lora import resolve_lora
from hubtools.publish.inspection import WeightInspection
from hubtools.publish.release import kind_of
from tests import lorafiles
from tests.typed import typed


def test_a_weight_file_is_inspected(tmp_path: Path) -> None:
    path = lorafiles.save(tmp_path / "a.safetensors", lorafiles.kohya(lorafiles.good(), 2))
    done = typed("inspect", str(path), "--format", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    said = said.get("result", said)
    assert (said["kind"], said["format"], said["ranks"]) == ("lora", "kohya", [4])
    assert said["diffusers"] == {"tensors": 6, "strengths": [0.5]}
    assert said["wrong"] == []
    found = hubtools.inspect(path)
    assert isinstance(found, WeightInspection)


def test_the_base_is_that_of_the_card_beside_it(tmp_path: Path) -> None:
    path = lorafiles.save(tmp_path / "mine.safetensors", lorafiles.good())
    (tmp_path / "README.md").write_text("---\nbase_model: owner/base\n---\n")
    found = hubtools.inspect(path)
    assert isinstance(found, WeightInspection)
    assert found.base_model == "owner/base"


@pytest.mark.parametrize(("width", "strange"), [(768, []), (96, [96])])
def test_a_width_that_no_published_family_has_is_said(
    tmp_path: Path, width: int, strange: list[int]
) -> None:
    layers = lorafiles.good()
    name = next(name for name in layers if "attn2.to_k.lora_A" in name)
    layers[name] = layers[name][:, :1].repeat(width, 1)
    found = hubtools.inspect(lorafiles.save(tmp_path / "a.safetensors", layers))
    assert isinstance(found, WeightInspection)
    assert found.to_dict()["strange_widths"] == strange
    assert "sd15" in found.to_dict()["families"]  # by the names of its layers


@pytest.mark.parametrize(("width", "strange"), [(6144, []), (96, [96])])
@pytest.mark.parametrize(
    "layer", ["transformer.transformer_blocks.0.attn.to_gate", "diffusion_model.blocks.0.attn.wq"]
)
def test_layers_that_one_family_names_so_may_be_of_another_width(
    tmp_path: Path, layer: str, width: int, strange: list[int]
) -> None:
    halves = {"lora_A": np.ones((4, width), "f4"), "lora_B": np.ones((8, 4), "f4")}
    tensors = {f"{layer}.{half}.weight": one for half, one in halves.items()}
    found = hubtools.inspect(lorafiles.save(tmp_path / "a.safetensors", tensors))
    assert isinstance(found, WeightInspection)
    assert found.to_dict()["strange_widths"] == strange
    assert found.to_dict()["families"] == ["krea2"]


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    path = lorafiles.save(tmp_path / "a.safetensors", lorafiles.BAD["peft-names"][1])
    done = typed("inspect", str(path))
    assert "peft's names" in done.stdout + done.stderr
    assert "0 of 4 tensors" in done.stdout + done.stderr


def test_a_pickle_is_named_and_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x80\x04")
    assert typed("inspect", str(tmp_path / "a.bin")).returncode == 1


def test_a_file_of_another_kind_is_told_what_is_taken(tmp_path: Path) -> None:
    (tmp_path / "hub.log").write_text("no weights")
    with pytest.raises(HubtoolsError, match=r"hub\.log is no \.safetensors file") as caught:
        hubtools.inspect(tmp_path / "hub.log")
    assert "a folder of pictures" in str(caught.value.hint)


def test_what_a_killed_write_left_is_no_weight_file(tmp_path: Path) -> None:
    path = lorafiles.save(tmp_path / "mine.safetensors", lorafiles.good())
    left = tmp_path / ".tmp-0123456789abcdef.safetensors"
    left.write_bytes(path.read_bytes()[:-9])
    found = hubtools.inspect(tmp_path)
    assert isinstance(found, WeightInspection)
    assert (found.path, resolve_lora(str(tmp_path)).path) == (path, path)
    path.unlink()
    with pytest.raises(HubtoolsError, match="neither a LoRA nor a dataset"):
        kind_of(tmp_path)


def test_pictures_without_metadata_are_told_what_writes_it(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    for advice in ("`hubtools review", "`hubtools fix"):
        with pytest.raises(HubtoolsError, match="pictures without a metadata file") as caught:
            kind_of(tmp_path)
        assert str(caught.value.hint).startswith(f"{advice} {tmp_path}`")
        assert str(caught.value.hint).endswith("say what it is: --type")
        (tmp_path / "a.txt").write_text("a cat")


def test_shards_are_a_dataset_to_every_command(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    (tmp_path / "data").mkdir()
    shard = tmp_path / "data" / "train-00000-of-00001.parquet"
    picture = {"bytes": b"no picture", "path": "1.png"}
    parquet.write_table(pyarrow.table({"image": [picture], "text": ["one"]}), shard)
    assert kind_of(tmp_path) == "dataset"
    assert hubtools.validate(tmp_path).facts["rows"] == 1
    said = f"The pictures of {tmp_path} lie in shards."
    with pytest.raises(HubtoolsError, match=r"train-00000-of-00001\.parquet row 1 of"):
        hubtools.card(tmp_path, dry_run=True)  # it is no picture
    with pytest.raises(HubtoolsError) as caught:
        hubtools.shard(tmp_path, tmp_path.parent / f"{tmp_path.name}-again")
    assert caught.value.message == said
    for words in (("inspect",), ("caption", "--template", "x", "--dry-run")):
        looked = typed(words[0], tmp_path, *words[1:], "--format", "human")
        assert f"Warning: {said}\n" in looked.stderr
        assert "hubtools unshard" in looked.stderr


def test_what_comes_next_follows_what_is_there(tmp_path: Path) -> None:
    file = lorafiles.save(tmp_path / "run/pytorch_lora_weights.safetensors", lorafiles.good())
    begin = "Hint: to publish it, begin with `hubtools "
    draw = (
        'Hint: next: hubtools generate "a photo of ..." --lora run/pytorch_lora_weights.safetensors'
    )
    said = typed("inspect", "run/" + file.name, cwd=tmp_path).stderr
    assert f"{begin}card run`\n{draw}" in said
    (tmp_path / "run/README.md").write_text("# Mine\n")
    said = typed("inspect", "run/" + file.name, cwd=tmp_path).stderr
    assert f"{begin}push run OWNER/NAME --dry-run`\n{draw}" in said
