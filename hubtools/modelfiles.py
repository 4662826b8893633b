"""What of a folder of model files may be opened, judged by names and small JSON before it is.

The libraries that load models would run code from such a folder: pickled weights (`.bin`, `.pt`,
`.ckpt`), classes of a pipeline that name a module lying in it, or any installed one, kernels that
its configuration fetches from the Hub, and adapters that send them to another model altogether.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.errors import HubtoolsError
from hubtools.files import bytes_of, json_value, leads_out, open_inside, open_regular
from hubtools.layout import PEFT_CONFIG
from hubtools.modelsizes import check_size
from hubtools.patterns import regex

SAFE = ".safetensors"
PICKLED = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")  # the last: diffusers' checker
_OPTIONAL = ("safety_checker", "feature_extractor", "image_encoder")
_WORDS = ("tokenizer.json", "vocab.json")
_TOKENIZER = "tokenizer_config.json"
_AUDIO = "audio_tokenizer"
_WORDINGS = (  # what is handed to the classes that read texts and pictures
    _TOKENIZER, "special_tokens_map.json", "processor_config.json", "preprocessor_config.json",
    "image_processor_config.json", "video_preprocessor_config.json", f"{_AUDIO}_config.json",
)  # fmt: skip
_PLACES = ("vocab", "merges")  # words, or the file that holds them
_MEANT = ("_file", "_path", "init_inputs")  # where a word without slashes can be a file's name
_FOLDERS = "_path"  # where it can be that of a folder, in which another word names the file
_OTHERS = ("tesseract_config", "sudachi_kwargs", "mecab_kwargs", "jumanpp_kwargs")
_UNREAD = ("name_or_path", "_name_or_path", "special_tokens_map_file")  # who saved it had it there
_TEMPLATES = "additional_chat_templates"  # transformers opens all that lies there
_CLASS = regex(r"[A-Z]\w*")
_OWN_CODE = {
    "attn": ("eager", "sdpa", "flex_attention"),
    "experts": ("eager", "batched_mm", "grouped_mm"),
}
_AGAIN = "correct it, or fetch it again"
_MOST = 10_000_000  # bytes of a configuration file
_HINT = "convert it to safetensors; --allow-pickle opens pickled weights (.bin): they can run code"


class Pickled(HubtoolsError):
    """Weights that are pickled only; opening a pickle can run whatever code is in it."""

    default_code = "unsafe-file"

    def __init__(self, where: str, file: str, hint: str = _HINT) -> None:
        super().__init__(
            f"{where} has pickled weights only ({file}); hubtools opens no pickles.", hint=hint
        )


def is_pickled(name: str) -> bool:
    """True for the name of a file of weights that is a pickle."""
    return name.endswith(PICKLED)


def unread(path: Path, problem: str | None) -> HubtoolsError:
    """What is said of a file that was given as a LoRA and has no header of .safetensors: that it is
    damaged only if its name says that it is one."""
    if path.name.endswith(SAFE):
        return HubtoolsError(
            f"{path} is damaged: {problem}.", hint="fetch it again", code="file-damaged"
        )
    return HubtoolsError(
        f"{path} is no {SAFE} file.",
        hint=f"give a LoRA: a {SAFE} file, a run folder or the id of a repository on the Hub",
        code="wrong-kind",
    )


def components_of(index: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What a `model_index.json` names as components, each with a list of a library and a class, or
    of twice nothing. A list of numbers is a setting of the pipeline."""
    return {
        part: value
        for part, value in index.items()
        if not part.startswith("_")
        and isinstance(value, list)
        and not (value and all(isinstance(one, (int, float)) for one in value))
    }


def check_pipeline(folder: Path, shown: str, *, allow_pickle: bool = False) -> None:
    """Raise `HubtoolsError` if loading the pipeline in `folder` would run code that came with it.

    `allow_pickle`: pickled weights are opened all the same (by PyTorch's `weights_only`)."""
    check_links(folder, shown, folder)
    index = read_json(folder / "model_index.json")
    for part, value in components_of(index).items():
        if not part.isidentifier():
            raise HubtoolsError(
                f"{shown}: model_index.json calls a component {part[:80]!r}.",
                hint="fetch it again; components are called as Python's variables are",
                code="unsafe-file",
            )
        library, kind = (*value, None, None)[:2]
        if library is None and kind is None:
            continue  # left out
        known = library in _LIBRARIES and isinstance(kind, str) and _CLASS.fullmatch(kind)
        automatic = str(kind).startswith("Auto") and not str(kind).startswith("Autoencoder")
        if not known or automatic or "Pipeline" in str(kind):
            raise HubtoolsError(
                f"{shown}: model_index.json asks for {library}.{kind} as its {part}; hubtools loads"
                " classes of diffusers and transformers only.",
                hint="code that comes with a model is not run; use a model that needs none",
                code="unsafe-file",
            )
        if part not in _OPTIONAL and not (folder / part).is_dir():
            raise HubtoolsError(
                f"{shown} lacks its {part}.",
                hint="is the download complete, the folder whole?",
                code="file-not-found",
            )
        if part == "tokenizer" and not any((folder / part / name).exists() for name in _WORDS):
            # transformers would go on with an empty one
            raise HubtoolsError(
                f"{shown}/tokenizer has no words.",
                hint="fetch the files again",
                code="file-damaged",
            )
        if (folder / part / f"{library}.py").exists():
            raise HubtoolsError(
                f"{shown} holds {part}/{library}.py, which diffusers would run.",
                hint="code that comes with a model is not run; remove it if you do not know it",
                code="unsafe-file",
            )
        check_model(folder / part, f"{shown}/{part}", allow_pickle=allow_pickle, within=folder)


def is_index(name: str) -> bool:
    """True for a file that says which files the weights are in, as diffusers and transformers call
    it: of a variant `NAME.safetensors.index.fp16.json`."""
    return ".index." in name.lower() and name.lower().endswith(".json")


def check_model(
    folder: Path,
    shown: str,
    *,
    allow_pickle: bool = False,
    hint: str = _HINT,
    within: Path | None = None,
) -> None:
    """The same of a folder with one model (or a tokenizer, which has no weights), that may be part
    of the one of a pipeline (`within`)."""
    keep_kernels_out()
    if not folder.is_dir():
        return  # the library says what is missing
    check_links(folder, shown, within or folder)
    names = sorted(path.name for path in folder.iterdir())
    if PEFT_CONFIG in names:
        raise HubtoolsError(
            f"{shown} holds an {PEFT_CONFIG}: transformers would load the model that it"
            " names instead.",
            hint="merge the adapter into the model, or remove the file",
            code="unsafe-file",
        )
    pickled = [name for name in names if is_pickled(name)]
    if pickled and not allow_pickle and not any(name.endswith(SAFE) for name in names):
        raise Pickled(shown, pickled[0], hint)
    for name in names:
        if is_index(name):
            shards = read_json(folder / name).get("weight_map")
            for file in set(map(str, shards.values())) if isinstance(shards, dict) else ():
                _check_beside(shown, name, file)
                safe = f"{SAFE}.index." in name.lower()
                if safe and not allow_pickle and not file.endswith(SAFE):
                    # opened by its ending, whatever the index is of
                    raise Pickled(shown, file, hint)
    _check_wordings(folder, shown, within or folder)
    for name in names:  # of processors with several tokenizers, all but the first lie below
        below = folder / name
        if below.is_dir() and any(os.path.lexists(below / file) for file in _WORDINGS):
            check_links(below, f"{shown}/{name}", within or folder)
            _check_wordings(below, f"{shown}/{name}", within or folder)
    for name in ("config.json", "scheduler_config.json"):
        kind = read_json(folder / name).get("_class_name") if name in names else None
        if kind is not None and not (isinstance(kind, str) and _CLASS.fullmatch(kind)):
            raise HubtoolsError(
                f"{shown}/{name} is of {str(kind)[:40]!r}, which is the name of no class.",
                hint="code that comes with a model is not run; use a model that needs none",
                code="unsafe-file",
            )
    if "config.json" in names:
        config = read_json(folder / "config.json")
        if config.get("configuration_files"):  # one of them takes the place of this one
            raise HubtoolsError(
                f"{shown}/config.json names other files to be read in its place.",
                hint="put the one for this version of transformers there as config.json",
                code="unsafe-file",
            )
        if config.get("transformers_weights") is not None:
            _check_beside(shown, "config.json", str(config["transformers_weights"]))
        check_attention(config, shown)
        _check_words(folder, shown, "config.json")  # timm's models have their weights named there
        check_size(folder, config, shown, (SAFE, *PICKLED))


def _check_wordings(folder: Path, shown: str, within: Path) -> None:
    """The same of the settings of the tokenizer and the processor in `folder`."""
    names = {path.name for path in folder.iterdir()}
    if (folder / _TEMPLATES).is_dir():
        check_links(folder / _TEMPLATES, f"{shown}/{_TEMPLATES}", within)
    if _TOKENIZER in names:
        files = read_json(folder / _TOKENIZER).get("fast_tokenizer_files")
        for file in files if isinstance(files, list) else ():
            _check_beside(shown, _TOKENIZER, str(file))
    for name in _WORDINGS:
        if name in names:
            _check_words(folder, shown, name)


def check_attention(config: dict[str, Any], shown: str) -> None:
    """Raise `HubtoolsError` if the configuration of the model in the folder `shown` names code for
    its attention or its experts that is not PyTorch's own: transformers fetches and runs it
    wherever a model is made, without weights too. That of its fixed publisher may be named where
    `USE_HUB_KERNELS` lets it in."""
    keep_kernels_out()
    for key, value in _named_kernels(config):
        raise HubtoolsError(
            f"{shown}/config.json asks for the {key} code {str(value)[:80]!r} of the Hub.",
            hint="code that a model asks for is not fetched; remove the entry",
            code="unsafe-file",
        )


def keep_kernels_out() -> None:
    """Models find the package `kernels` missing from now on, with which transformers and diffusers
    fetch code for some classes and run it. The environment may let it in (`USE_HUB_KERNELS=1`, as
    transformers calls it); what the program itself has imported stays."""
    if _lets_kernels_in():
        return
    modules: dict[str, Any] = sys.modules
    modules.setdefault("kernels", None)
    loaded = modules.get("transformers.integrations.hub_kernels")
    if loaded is not None:  # it may have looked for the package before
        loaded.get_kernel_hub = _no_kernel


def _no_kernel(name: str, *args: object, **more: object) -> None:
    raise ImportError(f"{name} is code of the Hub, which USE_HUB_KERNELS does not let in")


def _lets_kernels_in() -> bool:
    return os.environ.get("USE_HUB_KERNELS", "").upper() in ("1", "ON", "YES", "TRUE")


def _check_beside(shown: str, name: str, file: str) -> None:
    """Raise `HubtoolsError` if a file that another one names does not lie beside it."""
    if file in ("", ".", "..") or any(mark in file for mark in "/\\\0"):
        raise HubtoolsError(
            f"{shown}/{name} names {file[:80]!r}, which does not lie beside it.",
            hint="fetch the files again, or use a model that keeps its weights together",
            code="link-refused",
        )


def _check_words(folder: Path, shown: str, name: str) -> None:
    """Raise `HubtoolsError` if the settings of a tokenizer or processor name a file of this machine
    that does not lie in the folder, whose lines would be its words (a model that captions pictures
    says them), or another model."""
    content = read_json(folder / name)
    if name.startswith(_AUDIO) or _AUDIO in content:
        raise HubtoolsError(
            f"{shown}/{name} asks for another model, that turns sound into tokens.",
            hint="use a model that needs none",
            code="unsafe-file",
        )
    for inner in (content, *(one for one in content.values() if isinstance(one, dict))):
        if other := next((key for key in _OTHERS if inner.get(key)), None):
            raise HubtoolsError(
                f"{shown}/{name} has options for a program that reads texts or pictures ({other}).",
                hint="use a model that needs none",
                code="unsafe-file",
            )
    named = [(key, content[key]) for key in _PLACES if isinstance(content.get(key), str)]
    for key, value in _texts(content):
        path = Path(value)
        meant = key.endswith(_MEANT) or len(path.parts) > 1
        folders = key.endswith(_FOLDERS)
        if key not in _UNREAD and meant and _is_elsewhere(path, folder, folders=folders):
            named.append((key, value))
    for key, value in named:
        raise HubtoolsError(
            f"{shown}/{name} names {value[:80]!r} as its {key}; no file but those of a model's"
            " folder is opened for it.",
            hint="remove the entry, or use another model",
            code="link-refused",
        )


def _texts(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The texts in a JSON value that can be names of files, each with the nearest key above it."""
    if isinstance(value, str) and "\0" not in value:
        yield key, value
    elif depth < 8 and isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, name, depth + 1)
    elif depth < 8 and isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key, depth + 1)


def _is_elsewhere(path: Path, folder: Path, *, folders: bool) -> bool:
    """Whether something lies there, and not in `folder`; a folder counts only with `folders`."""
    try:
        there = os.path.lexists(path) and (folders or not path.is_dir())
        return there and not path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False  # too long for a name, or no text of a file system's


def check_links(folder: Path, shown: str, within: Path) -> None:
    """Raise `HubtoolsError` if something right in the folder is a link that leads out of `within`,
    which holds it: who made the folder would have any file of this machine opened."""
    top = within.absolute()
    commits = [above for above in top.parents if above.parent.name == "snapshots"]  # of a cache
    for path in folder.iterdir():
        whole = path.absolute()
        if path.is_symlink() and all(
            leads_out(above, str(whole.relative_to(above))) for above in (top, *commits)
        ):
            raise HubtoolsError(
                f"{shown} holds {path.name}, a link out of its folder; nothing of it is opened.",
                hint="put what it leads to in its place",
                code="link-refused",
            )


def _named_kernels(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(attention or experts, the value of a setting that names code which is not PyTorch's own)."""
    if depth > 8 or not isinstance(value, dict):
        return
    for key, inner in value.items():
        for what, own in _OWN_CODE.items():
            if f"{what}_implementation" in key and not _is_own(inner, own):
                yield {"attn": "attention"}.get(what, what), inner
        yield from _named_kernels(inner, depth + 1)


def _is_own(value: Any, own: tuple[str, ...]) -> bool:
    if isinstance(value, dict):  # by parts of the model
        return all(_is_own(inner, own) for inner in value.values())
    if value is None or isinstance(value, bool):  # whether the library chose it
        return True
    return value in own or (_lets_kernels_in() and "/" not in json.dumps(value))


def peft_config(folder: Path) -> dict[str, Any] | None:
    """The content of peft's adapter_config.json in `folder`; None if there is none. Raises as
    `read_json`, `LinkedOut` for a link out of the folder."""
    path = folder / PEFT_CONFIG
    return read_json(path, within=folder) if os.path.lexists(path) else None


def _inside(path: Path, folder: Path) -> BinaryIO:
    return open_inside(folder, path.relative_to(folder).as_posix())


def read_json(path: Path, within: Path | None = None) -> dict[str, Any]:
    """The object in a configuration file, that may be no link out of the folder `within`. Raises
    `HubtoolsError` if it is missing, too long or no JSON object, `OSError` if it cannot be read."""
    try:
        with open_regular(path) if within is None else _inside(path, within) as file:
            data = bytes_of(file, _MOST)
    except FileNotFoundError:
        raise HubtoolsError(
            f"There is no {path}.", hint="is the download complete?", code="file-not-found"
        ) from None
    if data is None:
        raise HubtoolsError(f"{path} has more than {_MOST:,} bytes.", hint=_AGAIN, code="too-large")
    try:
        content = json_value(data)
    except (ValueError, RecursionError) as error:
        said = "too deep" if isinstance(error, RecursionError) else str(error)
        raise HubtoolsError(
            f"{path} is not valid JSON: {said}.", hint=_AGAIN, code="file-damaged"
        ) from None
    if not isinstance(content, dict):
        raise HubtoolsError(f"{path} is not a JSON object.", hint=_AGAIN, code="file-damaged")
    return content
