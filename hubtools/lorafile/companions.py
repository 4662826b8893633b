"""What belongs to a LoRA beside its own file: embeddings of new words, further adapters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hubtools.errors import HubtoolsError
from hubtools.lorafile.look import ADAPTERS
from hubtools.weights import Header, Holds

_PLACES = {  # the key of an embedding: (text encoder, tokenizer) of a pipeline
    "clip_l": ("text_encoder", "tokenizer"),
    "clip_g": ("text_encoder_2", "tokenizer_2"),
    "t5": ("text_encoder_2", "tokenizer_2"),
}


@dataclass(frozen=True)
class Companion:
    """A file that is published beside the LoRA, and loaded with it."""

    file: str
    kind: Literal["adapter", "embedding"]
    header: Header

    @property
    def name(self) -> str:
        """What the adapter is called in Python: letters, digits and lines of its file's name."""
        return adapter_name(self.file)

    @property
    def tokens(self) -> dict[tuple[str, str] | None, tuple[str, tuple[str, ...]]]:
        """Of an embedding: {(text encoder, tokenizer): (key, the words it brings)}; None in place
        of the pair for a file in the form of textual inversion, which any pipeline reads itself."""
        found: dict[tuple[str, str] | None, tuple[str, tuple[str, ...]]] = {}
        for key, entry in self.header.tensors.items():
            place = _PLACES.get(key)
            shape = entry["shape"]
            count = shape[0] if len(shape) == 2 else 1
            if place is not None:  # as the advanced scripts of diffusers write them
                found[place] = (key, tuple(f"<s{n}>" for n in range(count)))
            else:
                word = key if key.startswith("<") else self.file.rpartition(".")[0]
                found[None] = (key, (word,))
        return found

    @property
    def words(self) -> tuple[str, ...]:
        """The words that an embedding brings."""
        if self.kind != "embedding":
            return ()
        return tuple(dict.fromkeys(word for _, words in self.tokens.values() for word in words))


def adapter_name(file: str) -> str:
    """A name for `set_adapters`: a dot in it would be taken for a step into a module."""
    return re.sub(r"\W+", "_", file.rpartition(".")[0]).strip("_") or "lora"


def companions(
    headers: Mapping[str, Header], weights: str, adapters: Sequence[str]
) -> tuple[Companion, ...]:
    """Those of the files at the top of a run that belong to the LoRA `weights`: all embeddings,
    and the `adapters` that somebody named. Raises `HubtoolsError` for a name that is no adapter."""
    for name in adapters:
        header = headers.get(name)
        if "/" in name or header is None or header.holds not in ADAPTERS:
            what = "is not there" if header is None else "is no adapter at the top of the folder"
            raise HubtoolsError(
                f"model.adapters names {name!r}, which {what}.",
                hint="name .safetensors files that lie beside the LoRA",
                code="bad-setting",
            )
    found = [
        Companion(name, "embedding", header)
        for name, header in sorted(headers.items())
        if "/" not in name and header.holds is Holds.EMBEDDING
    ]
    others = dict.fromkeys(name for name in adapters if name != weights)
    return (*(Companion(name, "adapter", headers[name]) for name in others), *found)
