"""What lies beside a LoRA and names its base: one reader of cards, here and on the Hub, and one of
peft's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import ModelCardData

from hubtools.conversion.checks import settings_beside
from hubtools.errors import HubtoolsError
from hubtools.files import LinkedOut
from hubtools.hub import download
from hubtools.inference import lora
from hubtools.layout import LORA_WEIGHTS, PEFT_CONFIG, PEFT_WEIGHTS
from hubtools.licensing.advice import license_advice
from hubtools.lorafile.provenance import Beside, base_of_config
from tests import lorafiles

CARDS = {
    "an id": ("me/base", "me/base"),
    "a list of one": (["me/base"], "me/base"),
    "several": (["me/base", "me/other"], None),
    "a path": ("./models/base", None),
    "a folder of a machine": ("models/base", None),
    "a number": (7, None),
    "nothing": (None, None),
}


@pytest.mark.parametrize("named", CARDS)
def test_a_card_names_the_same_base_here_and_on_the_hub(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, base = CARDS[named]
    words = json.dumps({"base_model": value, "instance_prompt": "(tok)"})
    (tmp_path / "README.md").write_text(f"---\n{words}\n---\n")
    here = Beside.of(tmp_path)
    assert (here.card, here.trigger) == (base, "(tok)")

    files = [SimpleNamespace(rfilename=LORA_WEIGHTS)]
    card = ModelCardData(base_model=value, instance_prompt="(tok)")
    told = SimpleNamespace(siblings=files, card_data=card)
    monkeypatch.setattr(download, "api", lambda: SimpleNamespace(model_info=lambda *_, **__: told))
    lorafiles.save(tmp_path / LORA_WEIGHTS, lorafiles.good())
    monkeypatch.setattr(lora, "fetched", lambda *_, **__: tmp_path / LORA_WEIGHTS)
    there = lora._hub("me/lora", None, None, "me/lora")
    assert (there.base_model, there.trigger) == (base, "(tok)")


def test_peft_s_configuration_is_read_in_one_way(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    weights, config = folder / PEFT_WEIGHTS, folder / PEFT_CONFIG
    assert (base_of_config(folder), settings_beside(weights)) == (None, None)
    config.write_text(json.dumps({"base_model_name_or_path": "me/base", "lora_alpha": 2}))
    said = settings_beside(weights)
    assert said is not None
    assert said.content["lora_alpha"] == 2
    assert base_of_config(folder) == "me/base"
    assert settings_beside(folder / "other.safetensors") is None
    # what cannot be read names no base, and is no reason to take another strength
    for text in ("{", "[]", " " * 10_000_001):
        config.write_text(text)
        assert base_of_config(folder) is None
        with pytest.raises(HubtoolsError):
            settings_beside(weights)


def test_peft_s_configuration_is_that_of_the_folder(tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text(json.dumps({"base_model_name_or_path": "me/private", "lora_alpha": 2}))
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / PEFT_CONFIG).symlink_to(there)
    assert base_of_config(folder) is None
    with pytest.raises(LinkedOut):
        settings_beside(folder / PEFT_WEIGHTS)
    # the files of the client's cache are links to its blobs
    snapshot, blobs = (
        tmp_path / "models--me--lora/snapshots/abc",
        tmp_path / "models--me--lora/blobs",
    )
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    there.rename(blobs / "1")
    (snapshot / PEFT_CONFIG).symlink_to("../../blobs/1")
    assert base_of_config(snapshot) == "me/private"
    assert settings_beside(snapshot / PEFT_WEIGHTS) is not None


def test_a_licence_is_asked_for_by_the_base_that_the_card_names(tmp_path: Path) -> None:
    base = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    for named in (base, [base]):
        assert "as its base asks" in license_advice(tmp_path, "model", {"base_model": named})
