"""No pickle is opened, and no code that comes with a model is run."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubtools.errors import HubtoolsError, UsageError
from hubtools.inference.lora import resolve_lora
from hubtools.localhub.server import Hub
from hubtools.modelfiles import Pickled, check_model, check_pipeline
from hubtools.models.base import fetch_base, resolve_base, wanted_files
from hubtools.models.loading import load_pipeline
from hubtools.project import load_project
from tests.typed import typed


class Canary:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.mark, "ran")


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy of the tiny pipeline, to be spoilt."""
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def pickled(path: Path, mark: Path) -> None:
    path.write_bytes(pickle.dumps(Canary(mark)))


_FILES = {
    "unet": ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
    "vae": ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.ckpt"),
    "text_encoder": ("model.safetensors", "pytorch_model.bin"),
}


def spoil(base: Path, part: str, mark: Path) -> str:
    safe, unsafe = _FILES[part]
    (base / part / safe).unlink()
    pickled(base / part / unsafe, mark)
    return unsafe


@pytest.mark.parametrize("part", _FILES)
def test_a_base_with_pickled_weights(base: Path, part: str, mark: Path) -> None:
    file = spoil(base, part, mark)
    done = typed("generate", "a hat", "--base-model", base, cwd=base.parent)
    assert done.returncode == 1
    assert file in done.stderr
    assert "no pickles" in done.stderr
    assert "--allow-pickle" in done.stderr
    assert "bug" not in done.stderr
    assert not mark.exists()


def test_asked_for_it_still_runs_no_code(base: Path, mark: Path) -> None:
    """`--allow-pickle` opens them as data (`weights_only`); what is more than data is refused."""
    spoil(base, "text_encoder", mark)
    done = typed("generate", "a hat", "--base-model", base, "--allow-pickle", cwd=base.parent)
    assert done.returncode == 1
    assert "could not be loaded" in done.stderr
    assert not mark.exists()


def test_asked_for_it_opens_weights(base: Path) -> None:
    import torch
    from safetensors.torch import load_file

    safe = base / "text_encoder" / "model.safetensors"
    torch.save(load_file(safe), safe.with_name("pytorch_model.bin"))
    safe.unlink()
    with pytest.raises(Pickled):
        load_pipeline(resolve_base(str(base)))
    assert load_pipeline(resolve_base(str(base), allow_pickle=True), device="cpu").text_encoder


INDEXES = ["model.safetensors.index.json", "model.safetensors.index.fp16.json"]


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_leads_out(base: Path, name: str) -> None:
    """transformers opens whatever it names, `x.fp16.safetensors` makes it take that of a variant,
    and `merge` writes what it read there."""
    folder = base / "text_encoder"
    (folder / "model.safetensors").rename(base.parent / "private.safetensors")
    (folder / "x.fp16.safetensors").write_bytes(b"\2" + bytes(7) + b"{}")
    index = {"metadata": {}, "weight_map": {"text_model.x": "../../private.safetensors"}}
    (folder / name).write_text(json.dumps(index))
    with pytest.raises(HubtoolsError, match=r"private\.safetensors"):
        load_pipeline(resolve_base(str(base)), device="cpu")


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_leads_to_a_pickle(base: Path, mark: Path, name: str) -> None:
    """Shards are opened by their own endings."""
    folder = base / "text_encoder"
    (folder / "model.safetensors").unlink()
    pickled(folder / "evil.bin", mark)
    (folder / "decoy.safetensors").write_bytes(b"")
    (folder / "decoy.fp16.safetensors").write_bytes(b"")
    index = {"metadata": {}, "weight_map": {"text_model.x": "evil.bin"}}
    (folder / name).write_text(json.dumps(index))
    with pytest.raises(Pickled, match=r"evil\.bin"):
        load_pipeline(resolve_base(str(base)), device="cpu")
    assert not mark.exists()


@pytest.mark.parametrize("ending", ["bin", "ckpt", "pt"])
def test_a_bin_beside_safetensors_is_not_opened(base: Path, mark: Path, ending: str) -> None:
    for part, (safe, _) in _FILES.items():
        pickled((base / part / safe).with_suffix(f".{ending}"), mark)
        pickled(base / part / "pytorch_model.bin", mark)
    load_pipeline(resolve_base(str(base)), device="cpu")
    assert not mark.exists()


def test_the_setting_does_not_come_with_a_folder(tmp_path: Path) -> None:
    (tmp_path / "hubtools.toml").write_text("[train]\nallow_pickle = true\n")
    with pytest.raises(UsageError, match="allow_pickle"):
        load_project(tmp_path)
    (tmp_path / "hubtools.toml").write_text("[train]\nallow_pickle = false\n")
    assert not load_project(tmp_path).train.allow_pickle
    environ = {"HUBTOOLS_TRAIN_ALLOW_PICKLE": "1"}
    assert load_project(tmp_path, environ=environ).train.allow_pickle


def test_pickled_weights_are_not_fetched(base: Path, mark: Path, local_hub: Hub) -> None:
    file = spoil(base, "text_encoder", mark)
    local_hub.store.mount("model", "me/pickled", base)
    found = resolve_base("me/pickled")
    with pytest.raises(Pickled, match=f"text_encoder.*{file}"):
        fetch_base(found)
    names = ["unet/a.bin", "unet/config.json", "vae/b.bin", "vae/b.safetensors"]
    assert set(wanted_files(names, None)) == {"unet/config.json", "vae/b.safetensors"}
    allowed = fetch_base(resolve_base("me/pickled", allow_pickle=True))
    assert (allowed / "text_encoder" / file).is_file()


# --- code that comes with a base -----------------------------------------------------------------


def _index(base: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = base / "model_index.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def _config(base: Path, part: str, **more: Any) -> None:
    path = base / part / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


_CODE: dict[str, Callable[[Path], object]] = {
    "a module in its folder": lambda base: _index(base, lambda i: i.update(unet=["mine", "Net"])),
    "an installed module": lambda base: _index(base, lambda i: i.update(unet=["this", "Net"])),
    "os.system": lambda base: _index(base, lambda i: i.update(safety_checker=["os", "system"])),
    "a further part": lambda base: _index(base, lambda i: i.update(more=["mine", "Net"])),
    "an automatic class": lambda base: _index(
        base, lambda i: i.update(text_encoder=["transformers", "AutoModel"])
    ),
    "a pipeline of its own": lambda base: _index(
        base, lambda i: i.update(_class_name=["pipeline", "Mine"])
    ),
    "a module called diffusers": lambda base: (base / "unet" / "diffusers.py").write_text(
        (base / "unet" / "mine.py").read_text()
    ),
    "kernels of the Hub": lambda base: _config(
        base, "text_encoder", attn_implementation="evil/kernel"
    ),
    "kernels, deeper": lambda base: _config(
        base, "text_encoder", text_config={"_attn_implementation": {"": "evil/kernel"}}
    ),
    "an adapter": lambda base: (base / "text_encoder" / "adapter_config.json").write_text(
        '{"base_model_name_or_path": "evil/model", "peft_type": "LORA"}'
    ),
}


@pytest.fixture
def trapped(base: Path, mark: Path) -> Path:
    code = (
        f"open({str(mark)!r}, 'w').write('ran')\nclass Net:\n    pass\nclass Mine(Net):\n    pass\n"
    )
    for place in ("unet", "text_encoder", ".", "safety_checker", "more"):
        (base / place).mkdir(exist_ok=True)
        for name in ("mine", "pipeline", "modeling_mine", "mod"):
            (base / place / f"{name}.py").write_text(code)
    return base


@pytest.mark.parametrize("how", _CODE)
def test_code_that_comes_with_a_base(trapped: Path, mark: Path, how: str) -> None:
    _CODE[how](trapped)
    done = typed("generate", "a hat", "--base-model", trapped, cwd=trapped.parent)
    assert done.returncode == 1
    assert "bug" not in done.stderr
    assert not mark.exists()


def test_auto_map_is_overlooked(trapped: Path, mark: Path) -> None:
    """transformers would ask at a terminal whether to run it."""
    auto = {"AutoModel": "mod.Net", "AutoConfig": "mod.Net", "AutoTokenizer": ["mod.Net", None]}
    for part in ("text_encoder", "unet"):
        _config(trapped, part, auto_map=auto)
    path = trapped / "tokenizer" / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": auto}))
    load_pipeline(resolve_base(str(trapped)), device="cpu")
    assert not mark.exists()


def test_encoders(tmp_path: Path, mark: Path) -> None:
    """Models that look at pictures: pickled, or with code of their own."""
    from hubtools.vision.encoders import picture_encoder

    folder = tmp_path / "encoder"
    folder.mkdir()
    config = {"model_type": "dinov2", "hidden_size": 8, "num_hidden_layers": 1}
    (folder / "config.json").write_text(json.dumps(config))
    pickled(folder / "pytorch_model.bin", mark)
    with pytest.raises(Pickled, match=r"pytorch_model\.bin"):
        picture_encoder(str(folder), "cpu", print)
    (folder / "pytorch_model.bin").unlink()
    (folder / "mod.py").write_text(f"open({str(mark)!r}, 'w').write('ran')\nclass Net: pass\n")
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "mod.Net", "AutoModel": "mod.Net"}}
    (folder / "config.json").write_text(json.dumps(own))
    with pytest.raises(HubtoolsError, match="could not be loaded"):
        picture_encoder(str(folder), "cpu", print)
    assert not mark.exists()


def test_captioners(tmp_path: Path, mark: Path, pictures: Path) -> None:
    from hubtools.dataset.caption.model import Captioner

    folder = tmp_path / "captioner"
    folder.mkdir()
    own = {"model_type": "mine", "auto_map": {"AutoConfig": "mod.Net", "AutoProcessor": "mod.Net"}}
    (folder / "config.json").write_text(json.dumps(own))
    (folder / "mod.py").write_text(f"open({str(mark)!r}, 'w').write('ran')\nclass Net: pass\n")
    picture = pictures / "picture0.png"
    with pytest.raises(HubtoolsError, match="no model that captions"):
        list(Captioner(str(folder)).captions([picture]))
    pickled(folder / "pytorch_model.bin", mark)
    with pytest.raises(Pickled, match=r"pytorch_model\.bin"):
        list(Captioner(str(folder)).captions([picture]))
    assert not mark.exists()


# --- LoRAs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lora.bin", "lora.pt", "lora.ckpt", "embedding.pth"])
def test_pickled_loras(tmp_path: Path, mark: Path, name: str) -> None:
    pickled(tmp_path / name, mark)
    with pytest.raises(HubtoolsError, match="a pickle"):
        resolve_lora(str(tmp_path / name))
    assert not mark.exists()


def test_safetensors_by_another_name(
    tmp_path: Path, make_lora_file: Callable[..., Path], mark: Path
) -> None:
    """diffusers chooses by the name how to open a file."""
    path = make_lora_file(tmp_path / "lora.bin")
    with pytest.raises(HubtoolsError, match="a pickle"):
        resolve_lora(str(path))


def test_a_lora_that_breaks_does_not_lead_to_the_bin_beside_it(
    tmp_path: Path, tiny_base: Path, make_lora_file: Callable[..., Path], mark: Path
) -> None:
    """diffusers falls back to `.bin` when a .safetensors file cannot be read."""
    from hubtools.inference.adapters import apply_lora

    lora = resolve_lora(str(make_lora_file(tmp_path / "pytorch_lora_weights.safetensors")))
    lora.path.write_bytes(b"gone since")
    pickled(tmp_path / "pytorch_lora_weights.bin", mark)
    pipeline = load_pipeline(resolve_base(str(tiny_base)), device="cpu")
    with pytest.raises(HubtoolsError, match="does not fit"):
        apply_lora(pipeline, lora, 1.0)
    assert not mark.exists()


def test_what_is_no_model_folder(tmp_path: Path) -> None:
    check_model(tmp_path / "none", "none")
    (tmp_path / "model_index.json").write_text("[" * 100_000)
    with pytest.raises(HubtoolsError, match="not valid JSON"):
        check_pipeline(tmp_path, "it")
    (tmp_path / "model_index.json").write_text("[]")
    with pytest.raises(HubtoolsError, match="not a JSON object"):
        check_pipeline(tmp_path, "it")


OPENERS = {
    *("torch", "diffusers", "transformers", "accelerate", "peft", "datasets", "safetensors"),
    *("pyarrow", "jinja2", "pillow", "orjson", "simplejpeg", "pyyaml", "huggingface_hub"),
    *("starlette", "uvicorn", "markdown-it-py", "aiohttp"),
}
WITH_PATCHES = {"jinja2"}  # whose sandbox several patches have mended


@pytest.mark.parametrize("library", sorted(OPENERS))
def test_no_library_is_older_than_the_one_that_was_tried(library: str) -> None:
    """Older ones run code of a model's folder, or of a template, that today's refuse."""
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(n for some in extras.values() for n in some)]
    least = {
        re.split("[,;]", n.partition(">=")[2])[0] for n in wanted if n.startswith(f"{library}>")
    }
    tried = re.search(
        rf"(?i)^{library}==((\d+\.\d+)\S*)", (root / "constraints.txt").read_text(), re.M
    )
    assert tried
    assert least == {tried[1] if library in WITH_PATCHES else tried[2]}
