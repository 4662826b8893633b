"""LoRAs that somebody else made: what their headers ask of the libraries that load them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hubtools.errors import HubtoolsError
from hubtools.inference.adapters import apply_lora
from hubtools.inference.lora import resolve_lora
from hubtools.lorafile.settings import unfit_setting
from hubtools.weights import read_header
from tests import lorafiles

PLAIN = {"r": 4, "lora_alpha": 8, "target_modules": ["to_k", "to_q"]}
ENDLESS = "((.|.)*)*!"


def said(**settings: Any) -> dict[str, str]:
    entry = {f"unet.{key}": value for key, value in {**PLAIN, **settings}.items()}
    return {"lora_adapter_metadata": json.dumps(entry)}


def tensors(name: str = "unet.mid.to_q") -> dict[str, Any]:
    return {f"{name}.lora_A.weight": {"shape": [4, 8]}, f"{name}.lora_B.weight": {"shape": [8, 4]}}


UNFIT: dict[str, dict[str, Any]] = {
    "a search without end": {"target_modules": ENDLESS},
    "one in a list": {"exclude_modules": ["to_q", ENDLESS]},
    "one among ranks": {"rank_pattern": {ENDLESS: 4}},
    "one among alphas": {"alpha_pattern": {"(.|.)" * 40: 4}},
    "a slow one": {"target_modules": ".*a.*a.*a.*a"},
    "choices that are alike": {"target_modules": "(a|aa)" * 40 + "b"},
    "any number of any number": {"target_modules": r"(\w+\.?)*x"},
    "numbers one behind another": {"target_modules": r"\d+\d+\d+\d+\d+x"},
    "slow ones that are many": {"rank_pattern": {f".*.*.*{n}": 4 for n in range(20)}},
    "one in what must not follow": {"target_modules": r"(?!(a|a)+b).*"},
    "a reference": {"target_modules": r"(.*)\1"},
    "half of a pattern": {"target_modules": "a)|(b"},
    "one too deep": {"target_modules": "(" * 5000 + ")" * 5000},
    "a rank that fills the memory": {"r": 10**8},
    "one of a layer": {"rank_pattern": {"to_q": 10**8}},
    "a rank that is none": {"r": "4"},
    "a module": {"megatron_config": {"a": 1}, "megatron_core": "antigravity"},
    "a file": {"corda_config": {"cache_file": "elsewhere/cache.pt"}},
    "work before the start": {"init_lora_weights": "pissa"},
    "layers without number": {"layer_replication": [[0, 10**9]]},
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_a_header_asks_for_in_vain(what: str) -> None:
    assert "its header asks for" in (unfit_setting(said(**UNFIT[what]), tensors()) or "")


def test_names_of_tensors_are_no_patterns() -> None:
    assert "calls a tensor" in (unfit_setting({}, tensors(f"unet.{ENDLESS}")) or "")
    assert unfit_setting({}, {"bundle_emb.me.string_to_param.*": {"shape": [2, 8]}}) is None


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, json.dumps({"a": "b" * 2_000_000})])
def test_settings_that_are_none(text: str) -> None:
    assert unfit_setting({"lora_adapter_metadata": text}, tensors()) is not None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"target_modules": r".*\.(blocks|single_blocks)\.\d+\.(attn|ff)\.(to_q|to_k|to_out\.0)"},
        {"target_modules": r"^(?!.*\.(text|vision)).*\.(q_proj|k_proj|v_proj)$"},
        {"target_modules": r".*(?:blocks|layers)\.(?:[0-9]|1[0-9]|2[0-4])\.(?:\w+\.)*to_[qkv]"},
        {"exclude_modules": r"(?:[^.]+\.)+\d+\.\d+\.\d+\.\d+\.\d+\.(net|network)"},
        {"target_modules": r".*a_\d+\.(a|aa)(a|aa)(a|aa)(a|aa)?b{1,3}|.*\.single_(a|b).*"},
        {"target_modules": "all-linear", "init_lora_weights": "gaussian"},
        {"rank_pattern": {"^mid.to_q": 2}, "alpha_pattern": {"mid.to_q": 1.5}, "loftq_config": {}},
        {"auto_mapping": {"base_model_class": "UNet"}, "megatron_core": "megatron.core"},
        {"layers_to_transform": [0, 1], "layers_pattern": "blocks", "modules_to_save": None},
    ],
)
def test_what_trainers_write(settings: dict[str, Any]) -> None:
    assert unfit_setting(said(**settings), tensors()) is None


def test_what_peft_writes() -> None:
    from peft import LoraConfig

    config = LoraConfig(r=4, target_modules=["to_q"], init_lora_weights="gaussian").to_dict()
    config["target_modules"] = list(config["target_modules"])
    assert unfit_setting(said(**config), tensors()) is None


def test_it_is_refused_before_a_library_reads_it(tmp_path: Path) -> None:
    made = said(target_modules=ENDLESS)
    path = lorafiles.save(tmp_path / "a.safetensors", lorafiles.good(), **made)
    pipeline = SimpleNamespace(unload_lora_weights=lambda: None)
    with pytest.raises(HubtoolsError, match="is not loaded: its header asks") as caught:
        apply_lora(pipeline, resolve_lora(str(path)), 1.0)
    assert caught.value.hint
    assert read_header(path).rank == 4
