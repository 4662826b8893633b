"""What a library does while it opens a model from a stranger's folder: it opens no pickle beside
the safetensors, asks no Hub and starts no program."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import diffusers  # noqa: E402
import transformers  # noqa: E402
from test_pickles import Canary  # noqa: E402
from torch._inductor import codecache  # noqa: E402
from torch._inductor.runtime import cache_dir_utils, runtime_utils  # noqa: E402
from transformers import dynamic_module_utils  # noqa: E402

import hubtools  # noqa: E402
from hubtools.dataset.caption.model import Captioner  # noqa: E402
from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.hub import alone  # noqa: E402
from hubtools.hub.alone import KEPT_OUT, opened_alone, unchanged  # noqa: E402
from hubtools.modelfiles import Pickled, check_model  # noqa: E402
from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.blank import making  # noqa: E402
from hubtools.models.loading import load_pipeline  # noqa: E402
from hubtools.models.singles import SingleFile  # noqa: E402
from hubtools.models.unpacking import _opened  # noqa: E402
from hubtools.vision.encoders import load_transformers  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


OPENERS: dict[str, tuple[Any, Callable[[Path, Path], object]]] = {
    "a base": (
        diffusers.DiffusionPipeline,
        lambda folder, base: load_pipeline(resolve_base(str(base)), device="cpu"),
    ),
    "an encoder": (
        transformers.Dinov2Model,
        lambda folder, base: load_transformers(str(folder), "Dinov2Model", "AutoImageProcessor"),
    ),
    "what captions": (
        transformers.AutoProcessor,
        lambda folder, base: Captioner(str(folder))._load(),
    ),
}


@pytest.mark.parametrize("what", OPENERS)
def test_pickles_that_a_class_opens_by_itself(
    folder: Path, tmp_path: Path, tiny_base: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, opens = OPENERS[what]
    for name in ("spk_dict.pt", "adapter.eng.bin"):
        (folder / name).write_bytes(pickle.dumps(Canary(tmp_path / "mark")))
    (folder / "model.safetensors").touch()
    before = torch.load
    for name in ("spk_dict.pt", "adapter.eng.bin"):

        def from_pretrained(*parts: Any, name: str = name, **options: Any) -> Any:
            return torch.load(folder / name, weights_only=False)

        monkeypatch.setattr(kind, "from_pretrained", from_pretrained)
        with pytest.raises(Pickled, match=name):
            opens(folder, tiny_base)
    assert torch.load is before
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("package", [diffusers.utils.dynamic_modules_utils, dynamic_module_utils])
def test_code_that_appears_after_the_folder_was_judged(
    folder: Path, tmp_path: Path, package: Any
) -> None:
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w').close()\nclass C: pass")
    runs = package.get_class_in_module
    with opened_alone("M"), pytest.raises(HubtoolsError, match="run code that came with it"):
        package.get_class_in_module("C", "evil.py")
    assert not (tmp_path / "mark").exists()
    assert package.get_class_in_module is runs


def test_a_library_that_is_imported_only_while_a_model_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runner_of_a_test.py").write_text("def get_class_in_module(*places): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(alone, "_RUNNERS", ("runner_of_a_test",))
    with opened_alone("M"):
        runner = importlib.import_module("runner_of_a_test")
        with pytest.raises(HubtoolsError, match="run code that came with it"):
            runner.get_class_in_module("C", "evil.py")
    assert runner.get_class_in_module() == 1


def test_where_it_is_made_without_weights(folder: Path, tmp_path: Path) -> None:
    """A class of timm's models opens a pickle that its configuration names, for a plan too."""
    (folder / "evil.pt").write_bytes(pickle.dumps(Canary(tmp_path / "mark")))
    with pytest.raises(Pickled, match="evil"), making(folder.parent, "model"):
        torch.load(folder / "evil.pt", weights_only=False)
    assert not (tmp_path / "mark").exists()


def test_a_base_in_a_single_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def from_single_file(*places: Any, **options: Any) -> Any:
        return torch.load("evil.pt", weights_only=False)

    monkeypatch.setattr(diffusers.AutoencoderKL, "from_single_file", from_single_file)
    file = SingleFile(folder / "x.safetensors", "sd15", "a/b", False, False, "float32", {})
    with pytest.raises(Pickled, match="evil"):
        _opened(file, {}, folder, "vae", "diffusers", "AutoencoderKL")


def test_who_is_done_first_leaves_the_others_guarded(tmp_path: Path) -> None:
    """Threads may open models at the same time, and end in any order."""
    path = tmp_path / "a.pt"
    torch.save({"a": torch.ones(2)}, path)
    before = torch.load
    first, second = opened_alone("first"), opened_alone("second")
    first.__enter__()
    with ThreadPoolExecutor(1) as other:
        other.submit(second.__enter__).result()
        first.__exit__(None, None, None)
        with pytest.raises(Pickled, match="second"):
            other.submit(torch.load, path).result()
        other.submit(second.__exit__, None, None, None).result()
    assert torch.load is before


def test_asked_for_it_they_still_run_no_code(tmp_path: Path) -> None:
    path = tmp_path / "spk_dict.pt"
    path.write_bytes(pickle.dumps(Canary(tmp_path / "mark")))
    with (
        opened_alone("M", allow_pickle=True),
        pytest.raises(pickle.UnpicklingError),
    ):
        torch.load(path, weights_only=False)
    torch.save({"a": torch.ones(2)}, path)
    with opened_alone("M", allow_pickle=True):
        assert torch.load(path)["a"].tolist() == [1, 1]
    assert not (tmp_path / "mark").exists()


def test_another_repository_that_a_configuration_names(folder: Path) -> None:
    settings = {"model_type": "detr", "backbone": "evil/repo", "use_timm_backbone": False}
    (folder / "config.json").write_text(json.dumps(settings))
    with pytest.raises(HubtoolsError, match="ask the Hub for '/api/models/evil/repo'"):
        Captioner(str(folder))._load()


@pytest.mark.parametrize("imported", [False, True])
def test_packages_that_start_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: bool
) -> None:
    """A captioner's tokenizer_config.json had a package load a library that lay beside it."""
    for name in KEPT_OUT:
        (tmp_path / f"{name}.py").write_text("")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    before = {name: importlib.import_module(name) for name in KEPT_OUT if imported}
    with opened_alone("M"):
        for name in KEPT_OUT:
            with pytest.raises(ImportError):
                importlib.import_module(name)
            assert importlib.util.find_spec(name) is None
    for name in KEPT_OUT:
        assert importlib.import_module(name) is before.get(name, sys.modules[name])
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("tokenizer_config.json", {"sudachi_kwargs": {"sudachi_config_path": "sudachi.json"}}),
        ("preprocessor_config.json", {"tesseract_config": "-c debug_file=/x"}),
        ("processor_config.json", {"image_processor": {"tesseract_config": "-c debug_file=/x"}}),
    ],
)
def test_options_of_programs(folder: Path, file: str, content: object) -> None:
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(HubtoolsError, match="options for a program"):
        check_model(folder, "M")


@pytest.mark.parametrize("above", [0o755, 0o1777, 0o777])
@pytest.mark.parametrize("cache", [0o755, 0o1777, 0o777, 0o775])
@pytest.mark.parametrize("folder", [None, 0o700, 0o777, "a person's", "a link"])
def test_what_a_model_has_compiled_is_kept_at_home(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    above: int,
    cache: int,
    folder: int | str | None,
) -> None:
    """flex_attention is compiled wherever it is asked for; PyTorch's own place for that is a folder
    in /tmp that another user can have made, and several users may share a cache."""
    home, elsewhere = tmp_path / "above" / "cache", tmp_path / "elsewhere"
    home.mkdir(parents=True)
    place = home / "inductor"
    if folder == "a link":
        elsewhere.mkdir(0o777)
        elsewhere.chmod(0o777)
        place.symlink_to(elsewhere)
    elif folder is not None:
        place.mkdir()
        place.chmod(folder if isinstance(folder, int) else 0o700)
    if folder == "a person's":
        (place / "novel.txt").write_text("It was")
    home.chmod(cache)
    home.parent.chmod(above)
    monkeypatch.setenv("HUBTOOLS_CACHE", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    if above == 0o755:  # PyTorch says it by itself as soon as a library is imported that compiles
        spec = importlib.util.spec_from_file_location("fresh", cache_dir_utils.__file__)
        assert spec is not None
        assert spec.loader is not None
        fresh = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(fresh)
        assert fresh.cache_dir() == os.environ["TORCHINDUCTOR_CACHE_DIR"]
    with opened_alone("M"):
        kept = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    safe = above != 0o777 and cache in (0o755, 0o1777)
    assert (kept == place) is (safe and folder in (None, 0o700))
    assert kept.stat().st_mode & 0o777 == 0o700
    # PyTorch has compiled headers, and pickles, in /tmp whatever that variable says
    assert cache_dir_utils.default_cache_dir() == runtime_utils.default_cache_dir() == str(kept)
    assert Path(codecache._HEADER_DIR).parent == kept
    assert Path(codecache._HEADER_LOCK_DIR).parent.parent == kept


def test_weights_elsewhere_that_a_configuration_names(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "private.safetensors").touch()
    named = {"model_args": {"checkpoint_path": str(tmp_path / "private.safetensors")}}
    for settings in ({"_name_or_path": str(tmp_path)}, {"model_args": {"checkpoint_path": "a"}}):
        (folder / "config.json").write_text(json.dumps(settings))
        check_model(folder, "M")
    (folder / "config.json").write_text(json.dumps(named))
    with pytest.raises(HubtoolsError, match="as its checkpoint_path"):
        check_model(folder, "M")


@pytest.mark.parametrize("what", ["replaced", "come and gone", "linked", "written", None])
def test_a_folder_that_changes_while_it_is_judged_and_opened(
    tmp_path: Path, what: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was opened may be what nobody judged."""
    folder = tmp_path / "model"
    (folder / "below").mkdir(parents=True)
    file = folder / "below" / "tokenizer_config.json"
    file.write_text("{}")
    with contextlib.ExitStack() as stack:
        if what is not None:
            stack.enter_context(pytest.raises(HubtoolsError, match="has changed while"))
        stack.enter_context(unchanged(folder, "the model"))
        time.sleep(0.02)  # the clock of file systems
        file.read_text()
        if what == "replaced":
            (tmp_path / "other").write_text("{}")
            (tmp_path / "other").replace(file)
        elif what == "written":
            file.write_text("[]")
        elif what is not None:
            place = folder / "vocab.txt"
            place.symlink_to("/etc/passwd")
            if what == "come and gone":
                place.unlink()
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path))  # which is believed
    with unchanged(folder, "the model"):
        file.write_text("{}\n")


def test_what_opens_by_a_path_looks_whether_it_changed() -> None:
    """Each of them, around the judgement and the library."""
    for path in (Path(hubtools.__file__).parent).rglob("*.py"):
        text = path.read_text("utf-8")
        if "opened_alone(" in text and "from_pretrained(" in text:
            assert "unchanged(" in text, path
