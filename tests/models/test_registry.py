"""One table of model families: nobody else knows one by name."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import hubtools
from hubtools.models.lookup import support_of, title_of
from hubtools.models.registry import (
    CLIP,
    COMPONENTS,
    DENOISERS,
    EXAMPLE_BASE,
    MOVED,
    SUPPORTED,
    TARGETS,
    TEXT_ENCODERS,
)
from hubtools.models.targets import target_of

PACKAGE = Path(hubtools.__file__).parent

# Words of a module's code (not of its docstrings and comments) that name a family.
_NAMES = sorted(
    {
        *(target.name for target in TARGETS.values()),
        *(target.title for target in TARGETS.values()),
        *(beginning for target in TARGETS.values() for beginning in target.classes),
        *(support.name for support in SUPPORTED.values()),
        *(support.title for support in SUPPORTED.values()),
        *(e.name for t in TARGETS.values() for e in t.encoders if e.name != CLIP.name),
        "CLIPText",
        "unet",
        "AutoencoderKL",
    }
)
_FAMILY = re.compile(
    "|".join(rf"(?<![a-z]){re.escape(name)}" for name in _NAMES if len(name) > 2), re.IGNORECASE
)

# (file, text): what another program calls so, not a family.
_OTHERS = {
    ("modelfiles.py", "stable_diffusion"),  # a folder of the library diffusers, with its checker
    ("runfolders/trainers.py", "Stable-diffusion"),  # a folder of AUTOMATIC1111's web UI
    ("lorafile/provenance.py", "stable-diffusion"),  # the same folder, in small letters
    ("lorafile/provenance.py", "ss_unet_lr"),  # of kohya's headers, whatever the denoiser is
    ("dataset/loaders/endings.py", " sd2 "),  # an ending of sound files
    ("licensing/ids.py", "llama"),  # licences that are called so
    ("tensornames.py", "unet."),  # how names begin in files, in the order they are looked for
    # classes of the libraries, of whose configurations some values say nothing of shapes
    ("models/outlines.py", "CLIPTextModel"),
    ("models/outlines.py", "UNet2DConditionModel"),
    ("models/outlines.py", "AutoencoderKL"),
    ("models/outlines.py", "Gemma2Model"),
    ("models/outlines.py", "Qwen3"),
    ("models/outlines.py", "ZImageTransformer2DModel"),
    ("tensornames.py", "lora_unet_"),  # of kohya's files, whatever the denoiser is
}
# Tables of what others call things: tensors of published files, LoRAs of sd-scripts, options of
# other trainers; and what diffusers' converters ask of the names that they know.
_TABLES = (
    *("models/singles.py", "models/unpacking.py", "conversion/adapter.py"),
    *("conversion/formats.py", "cli/other_trainers.py", "journey/trainers/sd_scripts.py"),
    "journey/trainers/onetrainer.py",
)


def test_no_other_module_names_a_family() -> None:
    found = [
        f"{name}:{line}: {text}"
        for path in sorted(PACKAGE.rglob("*.py"))
        # the second says which names a row can have, the third stands in the place of one family's
        # processor
        if (name := path.relative_to(PACKAGE).as_posix())
        not in ("models/registry.py", "models/rows.py", "models/seen_text.py", *_TABLES)
        and not name.startswith(("models/families/", "world/"))
        for line, text in _words(ast.parse(path.read_text(encoding="utf-8")))
        if _names_one(text) and not any(name == a and b in text for a, b in _OTHERS)
    ]
    assert not found, "\n".join(found)


@cache  # of a quarter of a million words nine in ten are there already
def _names_one(text: str) -> bool:
    return _FAMILY.search(text) is not None


def _words(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Names and texts of the code, without docstrings."""
    nodes = list(ast.walk(tree))
    silent = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in silent:
                yield line, node.value
        elif isinstance(node, ast.Attribute):
            yield line, node.attr
        elif isinstance(node, ast.Name):
            yield line, node.id
        elif isinstance(node, ast.arg | ast.keyword):
            yield line, node.arg or ""
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield line, node.name


def test_every_row_is_whole() -> None:
    for row in TARGETS.values():
        assert row.denoiser in DENOISERS
        assert row.channels > 0
        assert row.classes
        assert row.ids
        assert {encoder.folder for encoder in row.encoders} <= set(row.components)
        assert set(row.components) <= set(COMPONENTS)
        for pattern, _ in row.ids:
            re.compile(pattern)
    assert TEXT_ENCODERS == ("text_encoder", "text_encoder_2", "text_encoder_3", "text_encoder_4")


def test_what_is_supported_has_a_file_and_says_what_it_opens() -> None:
    for name, support in SUPPORTED.items():
        module, _, kind = support.place.partition(":")
        family = getattr(importlib.import_module(module), kind)()
        assert (family.name, family.pipelines) == (name, support.pipelines)
        assert all(support_of(pipeline) is support for pipeline in support.pipelines)
        rows = [row for row in TARGETS.values() if row.support is support]
        assert {row.denoiser for row in rows} == {family.prefix}
        assert title_of(name) == support.title
    assert support_of("WonderPipeline") is None
    assert title_of("a family of tomorrow") == "a family of tomorrow"


def test_bases_that_are_named_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))  # other tests fetch a base of this name
    assert target_of(EXAMPLE_BASE) is TARGETS["sd15"]
    for id in (MOVED[0], f"{MOVED[1]}/{MOVED[0].split('/')[1]}"):
        assert (found := target_of(id))
        assert found.name == "sd2"
