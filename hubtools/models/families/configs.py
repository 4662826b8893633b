"""The small configuration files of a base's components."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_within


def config(folder: Path, name: str, *, required: bool = True) -> dict[str, Any]:
    """The file `name` of a pipeline's folder; empty if it is missing and need not be there.

    Raises `HubtoolsError` if it is missing or no JSON."""
    try:
        content = json_within(folder / name)
    except FileNotFoundError:
        if not required:
            return {}
        raise HubtoolsError(
            f"The base has no {name}.",
            hint="is the download complete, the folder whole?",
            code="file-not-found",
        ) from None
    except ValueError as error:
        raise HubtoolsError(
            f"{folder / name} is not valid JSON: {error}.",
            hint="correct it, or fetch it again",
            code="file-damaged",
        ) from None
    return content if isinstance(content, dict) else {}


@contextmanager
def reading_sizes(folder: Path, parts: str) -> Iterator[None]:
    """What goes wrong inside is a file with a wrong value where a size belongs; `parts` says of
    which components."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        raise HubtoolsError(
            f"A configuration file of the base in {folder} has a wrong value where a size"
            f" belongs: {error}.",
            hint=f"look at the config.json of {parts}",
            code="file-damaged",
        ) from None


def vae_factor(vae: dict[str, Any]) -> int:
    """Pixels a latent cell along one side: a VAE halves its picture behind each block but the
    last. `vae` is its configuration; diffusers' own has four blocks."""
    blocks = vae.get("block_out_channels") or vae.get("encoder_block_out_channels") or [0] * 4
    factor: int = 2 ** (len(blocks) - 1)
    return factor


def bytes_of(dtype: str) -> int:
    """Bytes of a number of a cached caption: it is kept in bfloat16 or float32."""
    return 2 if dtype == "bfloat16" else 4
