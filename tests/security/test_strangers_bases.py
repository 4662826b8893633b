"""Bases that somebody else made: what they ask for is refused in one sentence before anything of
them is loaded, and what they ask for in vain stays undone."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubtools.errors import HubtoolsError
from hubtools.modelfiles import check_model
from hubtools.models.base import fetch_base, resolve_base
from hubtools.models.blank import blank_component
from hubtools.models.families.protocol import family_of
from hubtools.models.loading import load_pipeline
from tests.typed import typed

UNET = "diffusion_pytorch_model.safetensors"
TEXT = "model.safetensors"


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny_base, tmp_path / "elsewhere")
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def change(base: Path, file: str, **values: Any) -> None:
    path = base / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def leads(part: str, weights: str, to: str) -> Callable[[Path], object]:
    """An index of shards in the place of the weights."""

    def make(base: Path) -> None:
        (base / part / weights).unlink()
        index = {"metadata": {"total_size": 1}, "weight_map": {"a.weight": to}}
        (base / part / f"{weights}.index.json").write_text(json.dumps(index))

    return make


def linked(name: str) -> Callable[[Path], object]:
    """A link to the same name of the folder beside it."""

    def make(base: Path) -> None:
        path = base / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.symlink_to(base.parent / "elsewhere" / name)

    return make


def has(file: str, **values: Any) -> Callable[[Path], object]:
    return lambda base: change(base, file, **values)


def linked_template(base: Path) -> None:
    place = base / "tokenizer" / "additional_chat_templates"
    place.mkdir()
    (place / "x.jinja").symlink_to(base.parent / "elsewhere" / "model_index.json")


# How, and a word of what is said.
REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "shards in another folder": (leads("unet", UNET, f"../../elsewhere/unet/{UNET}"), "beside"),
    "shards of an encoder": (leads("text_encoder", TEXT, f"../../elsewhere/{TEXT}"), "beside"),
    "shards anywhere": (leads("text_encoder", TEXT, f"/etc/{TEXT}"), "beside"),
    "shards, with backslashes": (leads("vae", UNET, f"..\\..\\{UNET}"), "beside"),
    "weights by another name": (
        has("text_encoder/config.json", transformers_weights=f"../../{TEXT}"),
        "beside",
    ),
    "words in another folder": (
        has(
            "tokenizer/tokenizer_config.json",
            fast_tokenizer_files=["../../elsewhere/tokenizer.4.0.0.json"],
        ),
        "beside",
    ),
    "a vocabulary anywhere": (
        has("tokenizer/tokenizer_config.json", vocab="/etc/words"),
        "names '/etc/words' as its vocab",
    ),
    "a vocabulary in the second file of settings": (
        lambda base: (base / "tokenizer" / "special_tokens_map.json").write_text(
            json.dumps({"vocab_file": str(base.parent / "elsewhere" / "model_index.json")})
        ),
        "as its vocab_file",
    ),
    "a vocabulary handed over without a name": (
        lambda base: change(
            base,
            "tokenizer/tokenizer_config.json",
            init_inputs=[str(base.parent / "elsewhere" / "model_index.json")],
        ),
        "as its init_inputs",
    ),
    "a vocabulary of a tokenizer below": (
        lambda base: (
            (below := base / "tokenizer" / "qformer_tokenizer").mkdir(),
            (below / "tokenizer_config.json").write_text(json.dumps({"vocab": "/etc/words"})),
        ),
        "names '/etc/words' as its vocab",
    ),
    "linked words of a tokenizer below": (
        lambda base: (
            (below := base / "tokenizer" / "qformer_tokenizer").mkdir(),
            (below / "tokenizer_config.json").write_text("{}"),
            (below / "vocab.txt").symlink_to(base.parent / "elsewhere" / "model_index.json"),
        ),
        "link out",
    ),
    "a folder, and a file in it": (
        lambda base: (base / "tokenizer" / "preprocessor_config.json").write_text(
            json.dumps({"repo_path": str(base.parent / "elsewhere"), "class_info_file": "s.json"})
        ),
        "as its repo_path",
    ),
    "another configuration": (
        has("text_encoder/config.json", configuration_files=["config.4.0.0.json"]),
        "in its place",
    ),
    "another model to hear with": (
        lambda base: (base / "tokenizer" / "processor_config.json").write_text(
            json.dumps({"audio_tokenizer": {"audio_tokenizer_class": "DacModel"}})
        ),
        "another model",
    ),
    "a linked template of chats": (linked_template, "link out"),
    "a builtin as class": (has("unet/config.json", _class_name="eval"), "no class"),
    "a function as class": (
        has("scheduler/scheduler_config.json", _class_name="os.system"),
        "no class",
    ),
    "a list as class": (has("vae/config.json", _class_name=["mine", "Net"]), "no class"),
    "a linked part": (linked("unet"), "link out"),
    "linked weights": (linked(f"unet/{UNET}"), "link out"),
    "linked settings": (linked("text_encoder/config.json"), "link out"),
    "linked words": (linked("tokenizer"), "link out"),
    "a linked list of parts": (linked("model_index.json"), "link out"),
    "a wide encoder": (
        lambda base: (
            change(base, "text_encoder/config.json", hidden_size=10**9),
            change(base, "unet/config.json", cross_attention_dim=10**9),
        )[0],
        "hidden_size",
    ),
    "many words": (has("text_encoder/config.json", vocab_size=10**9), "vocab_size"),
    "a wide layer": (has("text_encoder/config.json", intermediate_size=10**9), "intermediate"),
    "many places": (
        has("text_encoder/config.json", max_position_embeddings=10**9),
        "max_position_embeddings",
    ),
    "wide blocks": (has("unet/config.json", block_out_channels=[20_000, 20_000]), "block_out"),
    "many layers": (has("vae/config.json", layers_per_block=999), "layers_per_block"),
    "many transformers": (
        has("unet/config.json", transformer_layers_per_block=10**9),
        "transformer_layers_per_block",
    ),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_refused_before_anything_is_loaded(base: Path, how: str) -> None:
    make, said = REFUSED[how]
    found = resolve_base(str(base))
    make(base)
    with pytest.raises(HubtoolsError) as caught:
        fetch_base(found)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_base_as_it_is_and_one_of_the_cache_are_opened(base: Path, tmp_path: Path) -> None:
    """Links inside a base, a base that is a link itself, the cache, which is nothing but links."""
    fetch_base(resolve_base(str(base)))
    os.replace(base / "unet" / UNET, base / "weights")
    (base / "unet" / UNET).symlink_to("../weights")
    (tmp_path / "mine").symlink_to(base)
    fetch_base(resolve_base(str(tmp_path / "mine")))
    commit = tmp_path / "models--me--base" / "snapshots" / ("a" * 40)
    blobs = tmp_path / "models--me--base" / "blobs"
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(tmp_path.glob("elsewhere/**/*"))):
        place = commit / path.relative_to(tmp_path / "elsewhere")
        if path.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blobs / str(number))
            place.symlink_to(os.path.relpath(blobs / str(number), place.parent))
    fetch_base(resolve_base(str(commit)))
    check_model(commit / "text_encoder", "a part of it alone")


NO_PART: dict[str, list[str]] = {
    "vae": ["transformers", "Trainer"],
    "unet": ["diffusers", "VaeImageProcessor"],
}


@pytest.mark.parametrize("part", NO_PART)
def test_classes_that_are_no_parts(base: Path, part: str) -> None:
    change(base, "model_index.json", **{part: NO_PART[part]})
    with pytest.raises(HubtoolsError, match="which is no model"):
        load_pipeline(resolve_base(str(base)), device="cpu")


def test_what_is_asked_for_in_vain(base: Path, tmp_path: Path) -> None:
    """Code is neither run nor asked about: the classes are those that the pipeline names."""
    mark = tmp_path / "mark"
    code = f"open({str(mark)!r}, 'w').write('ran')\nclass Net:\n    pass\n"
    auto = {"AutoModel": "mod.Net", "AutoTokenizer": ["mod.Net", None], "AutoProcessor": "mod.Net"}
    for part in (".", "unet", "tokenizer", "text_encoder"):
        (base / part / "mod.py").write_text(code)
    change(base, "model_index.json", trust_remote_code=True, custom_pipeline="mod")
    for part in ("unet", "text_encoder"):
        change(base, f"{part}/config.json", trust_remote_code=True, auto_map=auto)
    change(base, "tokenizer/tokenizer_config.json", tokenizer_class="mod.Net", auto_map=auto)
    (base / "tokenizer/processor_config.json").write_text(
        json.dumps({"processor_class": "Net", "auto_map": auto})
    )
    load_pipeline(resolve_base(str(base)), device="cpu")
    assert not mark.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", [f"unet/{UNET}", "scheduler/scheduler_config.json"])
def test_pipes_are_not_waited_for(base: Path, name: str) -> None:
    (base / name).unlink()
    os.mkfifo(base / name)
    done = typed("generate", "a hat", "--base-model", base, "--size", "64", cwd=base.parent)
    assert done.returncode == 1
    assert "bug" not in done.stderr


@pytest.mark.parametrize(("name", "values", "said"), [
    ("text_encoder", {"_attn_implementation": "evil/kernel"}, "attention code 'evil/kernel'"),
    ("text_encoder", {"text_config": {"attn_implementation": {"": "evil/kernel"}}}, "evil/kernel"),
    ("text_encoder", {"_attn_implementation": "flash_attention_2"}, "code 'flash_attention_2' of"),
    ("text_encoder", {"a": {"attn_implementation": "paged|flash_attention_3"}}, "attention code"),
    ("text_encoder", {"attn_implementation": ["sdpa"]}, "attention code"),
    ("text_encoder", {"_experts_implementation": "sonicmoe"}, "the experts code 'sonicmoe'"),
    ("text_encoder", {"hidden_act": "__import__"}, "cannot be made"),
    ("unet", {"act_fn": "__import__"}, "cannot be made"),
    ("unet", {"norm_num_groups": 0}, "cannot be made"),
    ("unet", {"attention_head_dim": 0}, "cannot be made"),
])  # fmt: skip
def test_what_is_refused_where_a_plan_makes_it_without_weights(
    base: Path, name: str, values: dict[str, Any], said: str
) -> None:
    """Transformers fetches and runs what an attention is called after, when it makes a model."""
    change(base, f"{name}/config.json", **values)
    make = family_of(base, "base").blank_denoiser if name == "unet" else None
    with pytest.raises(HubtoolsError, match=said):
        make(base) if make is not None else blank_component(base, name)


@pytest.mark.parametrize("asked", ["", "1"])
def test_no_library_finds_what_fetches_code(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """Some classes of transformers and diffusers fetch code wherever the package `kernels` is, and
    run it; the base names the class. Only the environment lets them."""
    hub_kernels: Any = importlib.import_module("transformers.integrations.hub_kernels")
    fetched: list[str] = []
    monkeypatch.setattr(hub_kernels, "get_kernel_hub", fetched.append, raising=False)
    monkeypatch.delitem(sys.modules, "kernels", raising=False)
    (tmp_path / "installed/kernels").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "installed")
    monkeypatch.setenv("USE_HUB_KERNELS", asked)
    change(base, "text_encoder/config.json", _attn_implementation_autoset=True)
    for look in (lambda: blank_component(base, "text_encoder"), lambda: check_model(base, "base")):
        sys.modules.pop("kernels", None)
        look()
        assert (importlib.util.find_spec("kernels") is not None) == bool(asked)
    if asked:
        hub_kernels.get_kernel_hub("kernels-community/rwkv")
        change(base, "text_encoder/config.json", _attn_implementation="flash_attention_2")
        check_model(base / "text_encoder", "named by its publisher")
    else:
        with pytest.raises(ImportError, match="code of the Hub"):
            hub_kernels.get_kernel_hub("kernels-community/rwkv")
    assert fetched == (["kernels-community/rwkv"] if asked else [])
    sys.modules.pop("kernels", None)
