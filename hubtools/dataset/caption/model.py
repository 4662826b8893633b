"""Captions by a model of transformers: BLIP, Florence-2, Qwen-VL and others of their kind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from hubtools.causes import naming, says_nothing_of_file
from hubtools.chats import worded
from hubtools.dataset.caption.edits import tidy
from hubtools.dataset.pictures.rgb import open_image
from hubtools.errors import HubtoolsError, first_line, require_extra
from hubtools.files import read_within
from hubtools.hub.alone import opened_alone, unchanged
from hubtools.hub.download import snapshot
from hubtools.hub.errors import is_of_machine
from hubtools.layout import cache_dir
from hubtools.limits import PICTURE
from hubtools.modelfiles import check_model

if TYPE_CHECKING:
    from PIL import Image

# What a model that follows instructions is asked, and what Florence-2 knows as a task.
INSTRUCTION = (
    "Describe this picture in one sentence, as a caption to train a picture model on. Say only what"
    " can be seen."
)
_FLORENCE = "<DETAILED_CAPTION>"
_FILES = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]


class Captioner:
    """A model that says what is in a picture. Its answers are kept in hubtools' cache, so that a
    preview and the run after it, or a run that was killed, ask it once a picture."""

    def __init__(
        self,
        model: str,
        *,
        prompt: str | None = None,
        max_new_tokens: int = 60,
        device: str | None = None,
    ) -> None:
        self._folder, revision = _located(model)
        self._prompt = prompt
        self._tokens = max_new_tokens
        self._device = device
        self._loaded: tuple[Any, Any] | None = None
        self._words: str | None = None
        key = repr((model, revision, prompt, max_new_tokens))
        name = hashlib.sha256(key.encode()).hexdigest()[:24]
        self._answers = cache_dir() / "captions" / f"{name}.jsonl"

    def captions(
        self, paths: Sequence[Path], on_picture: Callable[[int, int], None] | None = None
    ) -> Iterator[str]:
        """A caption for each picture, in order."""
        known = self._known()
        self._answers.parent.mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(paths, start=1):
            digest = xxhash.xxh3_128_hexdigest(read_within(path, PICTURE))
            if digest not in known:
                known[digest] = self._ask(open_image(path))
                with naming(self._answers), self._answers.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([digest, known[digest]], ensure_ascii=False) + "\n")
            if on_picture is not None:
                on_picture(number, len(paths))
            yield known[digest]

    def _known(self) -> dict[str, str]:
        found: dict[str, str] = {}
        try:
            lines = self._answers.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return found
        for line in lines:
            try:
                digest, caption = json.loads(line)
            except ValueError:
                continue  # the last line of a killed run
            found[digest] = caption
        return found

    def _ask(self, picture: Image.Image) -> str:
        model, processor = self._load()
        try:
            return self._said(picture, model, processor)
        except HubtoolsError:
            raise
        except Exception as error:  # a model's settings can ask for anything of the library
            if is_of_machine(error):
                raise
            raise HubtoolsError(
                f"{self._folder} could not caption a picture: {first_line(error)}",
                hint="use another model, or correct its generation_config.json and its templates",
                code="file-damaged",
            ) from error

    def _said(self, picture: Image.Image, model: Any, processor: Any) -> str:
        import torch

        florence = model.config.model_type == "florence2"
        task = self._prompt or (_FLORENCE if florence else None)
        if getattr(processor, "chat_template", None):
            content = [
                {"type": "image", "image": picture},
                {"type": "text", "text": self._prompt or INSTRUCTION},
            ]
            if self._words is None:
                request = self._prompt or INSTRUCTION
                self._words = worded(processor.chat_template, request, str(self._folder))
            inputs = processor.apply_chat_template(
                [{"role": "user", "content": content}], chat_template=self._words,
                add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
            )  # fmt: skip
        elif task:
            inputs = processor(images=picture, text=task, return_tensors="pt")
        else:
            inputs = processor(images=picture, return_tensors="pt")
        inputs = inputs.to(model.device, model.dtype)
        with torch.inference_mode():
            # greedy: the same picture gives the same caption
            ids = model.generate(
                **inputs, max_new_tokens=self._tokens, do_sample=False, num_beams=1
            )
        if getattr(processor, "chat_template", None) and not model.config.is_encoder_decoder:
            ids = ids[:, inputs["input_ids"].shape[1] :]  # without the question
        return tidy(processor.batch_decode(ids, skip_special_tokens=True)[0])

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            require_extra("train", "Captioning by a model")
            import torch
            from transformers import AutoModelForImageTextToText, AutoProcessor
            from transformers.utils import logging

            logging.set_verbosity_error()  # its bars and advice would run through the preview
            logging.disable_progress_bar()
            device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
            dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
            shown = str(self._folder)
            try:
                with unchanged(self._folder, shown), opened_alone(shown):
                    check_model(self._folder, shown, hint="give one with safetensors")
                    processor = AutoProcessor.from_pretrained(
                        self._folder, local_files_only=True, trust_remote_code=False
                    )
                    model = AutoModelForImageTextToText.from_pretrained(
                        self._folder,
                        dtype=dtype,
                        use_safetensors=True,
                        local_files_only=True,
                        trust_remote_code=False,
                    )
            except (ValueError, OSError, KeyError, ImportError) as error:
                if isinstance(error, HubtoolsError) or says_nothing_of_file(error):
                    raise
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise HubtoolsError(
                    f"{self._folder} holds no model that captions pictures: {reason}",
                    hint="give a model for image-text-to-text with safetensors, of a kind that"
                    " transformers knows without code of the repository's own",
                    code="wrong-kind",
                ) from None
            self._loaded = (model.to(device).eval(), processor)
        return self._loaded


def _located(model: str) -> tuple[Path, str]:
    """(folder, revision) of a model: a folder on this machine, what the cache has, or the Hub."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        config = folder / "config.json"
        if not config.is_file():
            raise HubtoolsError(
                f"{folder} holds no model: there is no config.json.", code="wrong-kind"
            )
        stats = sorted((p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in folder.iterdir())
        return folder.absolute(), hashlib.sha256(repr(stats).encode()).hexdigest()
    if model.startswith((".", "/", "~")):
        raise HubtoolsError(
            f"There is no folder {model}.",
            hint="give a folder or a Hub id",
            code="file-not-found",
            missing=model,
        )
    found = snapshot(model, _FILES, _whole)
    return found, found.name


def _whole(folder: Path) -> bool:
    """True if all weights of a cached model are there."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return (folder / "model.safetensors").is_file()
    names = json.loads(index.read_bytes()).get("weight_map", {}).values()
    return all((folder / name).is_file() for name in names)
