"""What a card shows beside the gallery."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubtools.cards.escape import block
from hubtools.cards.showing import citation, comfyui, summary
from hubtools.lorafile.look import METADATA_KEY
from hubtools.manifest import BaseModelFacts, DatasetFacts, LoraFacts, RunManifest
from tests import lorafiles


def header(alpha: float, rank: int = 4) -> dict[str, str]:
    return {METADATA_KEY: json.dumps({"unet.lora_alpha": alpha, "unet.r": rank})}


@pytest.mark.parametrize(
    ("alpha", "weight", "strength"), [(4, 1.0, "1"), (8, 1.0, "2"), (1, 0.8, "0.2")]
)
def test_comfyui_knows_no_alpha_of_the_header(
    tmp_path: Path, alpha: float, weight: float, strength: str
) -> None:
    file = lorafiles.save(tmp_path / "lora.safetensors", lorafiles.good(), **header(alpha))
    found = comfyui(file, "me/x", "my robot: 2", weight, None)
    assert found is not None
    assert found.strength == strength
    assert found.file == "my-robot--2.safetensors"
    assert found.download == "https://huggingface.co/me/x/resolve/main/lora.safetensors"


def test_alphas_in_the_file_act_everywhere(tmp_path: Path) -> None:
    tensors = lorafiles.kohya(lorafiles.good(), alpha=2)
    found = comfyui(lorafiles.save(tmp_path / "lora.safetensors", tensors), None, "x", 1.0, None)
    assert found is not None
    assert (found.strength, found.download) == ("1", None)


def test_what_comfyui_does_not_take_whole_is_not_promised(tmp_path: Path) -> None:
    tensors = lorafiles.good() | {"unet.nobody.knows.lora_A.weight": lorafiles.good().popitem()[1]}
    assert (
        comfyui(lorafiles.save(tmp_path / "a.safetensors", tensors), "me/x", "x", 1.0, None) is None
    )
    (tmp_path / "b.safetensors").write_bytes(b"no weights")
    assert comfyui(tmp_path / "b.safetensors", "me/x", "x", 1.0, None) is None


def test_a_citation_is_bibtex() -> None:
    text = citation("me/x-lora", "A } robot {\n#1 \\ %", "2026-11-27T10:00:00Z")
    assert text is not None
    assert text.count("{") == text.count("}")
    assert "title = {A robot 1}" in text
    assert "year = {2026}" in text
    untold = citation("me/x-lora", "A", "")
    assert untold is not None
    assert "title = {A},\n  url = " in untold
    assert citation("nobody", "x", "2026") is None
    assert citation("a/b/c", "x", "2026") is None


@pytest.mark.parametrize("words", ["zwx", "a `b` c", "```", "x\n```\ny", "<!-- a -->"])
def test_a_block_of_code_ends_where_it_should(words: str) -> None:
    lines = block(words).split("\n")
    assert len(lines) == 3
    assert lines[0] == lines[2]
    assert set(lines[0]) == {"`"}
    assert lines[0] not in lines[1]
    assert "<!--" not in lines[1]


def trained(**train: object) -> dict[str, str]:
    """The summary of a training with these settings."""
    return dict(
        summary(
            RunManifest(
                name="x",
                status="finished",
                started="2026-01-02T03:04:05Z",
                base_model=BaseModelFacts(
                    id=None, revision=None, family="flux", prediction_type="flow"
                ),
                dataset=DatasetFacts(fingerprint="f", images=4, caption_column="text"),
                train={"learning_rate": 1.0, **train},
                steps=20,
                epochs=5.0,
                seed=42,
                lora=LoraFacts(
                    file="a",
                    sha256="b",
                    bytes=3,
                    rank=4,
                    alpha=4.0,
                    target_modules=[],
                    parameters=12,
                ),
            )
        )
    )


def test_what_trained_and_what_is_averaged_is_told() -> None:
    found = trained(optimizer="prodigy", use_ema=True, ema_decay=0.99)
    assert found["optimizer"] == "Prodigy (finds the step size itself)"
    assert found["learning rate"] == "1 times what Prodigy finds"
    assert "decay 0.99 at most): its weights are the average" in found["average"]
    assert "average of its steps" in trained(optimizer="schedule-free")["optimizer"]
    assert not {"optimizer", "average"} & trained().keys()
    assert (
        not {"optimizer", "average"} & trained(optimizer="<b>", use_ema="yes", ema_decay="x").keys()
    )
