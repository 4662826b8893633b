"""Components of a base without weights, on the meta device: what has shapes can be counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.hub.alone import opened_alone
from hubtools.modelfiles import check_attention, read_json

if TYPE_CHECKING:
    import torch
    from torch import nn


# what the libraries raise at values that they did not expect
_MISFITS = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError),
    *(LookupError, RuntimeError, TypeError, ValueError),
)


def blank_component(folder: Path, name: str) -> nn.Module:
    """The component `name` of the pipeline whose configuration files lie in `folder`, without
    weights. Raises `HubtoolsError` if model_index.json names no class of diffusers or transformers
    for it, or if its configuration does not fit."""
    import diffusers
    import transformers

    said = read_json(folder / "model_index.json").get(name)
    library, kind = said if isinstance(said, list) and len(said) == 2 else (None, None)
    config = read_json(folder / name / "config.json")
    with making(folder, name):
        if library == "diffusers" and issubclass(
            found := getattr(diffusers, str(kind)), diffusers.ModelMixin
        ):
            blank: nn.Module = found.from_config(config)
            return blank
        if library == "transformers" and issubclass(
            found := getattr(transformers, str(kind)), transformers.PreTrainedModel
        ):
            text: nn.Module = found(found.config_class.from_dict(config))
            return text
    raise _unknown(folder, name)


@contextmanager
def making(folder: Path, name: str) -> Iterator[None]:
    """While it lasts the component `name` is made on the meta device. Raises `HubtoolsError` if its
    configuration does not fit, and before if it names code to run; a class that opens files or
    asks a Hub by its configuration is refused as where a base is opened."""
    import torch

    file = folder / name / "config.json"
    if file.is_file():
        check_attention(read_json(file), str(folder / name))
    try:
        with torch.device("meta"), opened_alone(str(folder / name)):
            yield
    except _MISFITS as error:
        raise _unknown(folder, name) from error


def _unknown(folder: Path, name: str) -> HubtoolsError:
    return HubtoolsError(
        f"The base's {name} cannot be made from its configuration.",
        hint=f"look at {folder / name / 'config.json'} and model_index.json",
        code="file-damaged",
    )


def in_precision(denoiser: nn.Module, dtype: torch.dtype) -> None:
    """Give all weights the precision `dtype`, but those that its class keeps in float32, as
    diffusers does when it opens one."""
    kept = set(getattr(denoiser, "_keep_in_fp32_modules", None) or ())
    for name, tensor in (*denoiser.named_parameters(), *denoiser.named_buffers()):
        if tensor.is_floating_point() and not kept.intersection(name.split(".")):
            tensor.data = tensor.data.to(dtype)


def bytes_of(module: nn.Module, size: int | None = None) -> int:
    """Bytes of all parameters, with `size` bytes for each number if that is given."""
    return sum(p.numel() * (size or p.element_size()) for p in module.parameters())
