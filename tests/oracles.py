"""What holds our families against the pipelines of diffusers themselves.

A pipeline draws with a predictor in its denoiser's place, which notes what it is called with and
answers what the test gives it. Ours is asked for the same moments of the same picture and noise:
then every argument must be the same, captions and clock included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from hubtools.models.base import resolve_base
from hubtools.models.families.batches import Conditions, stacked, stacked_pictures
from hubtools.models.families.noise import NoiseOptions
from hubtools.models.families.protocol import family_of
from hubtools.settings import TrainSettings
from hubtools.training.loop import TrainState, loss_sum
from hubtools.training.recipe import make_recipe

CAPTION = "a photo of lora-misato-token, front view, (smiling) among xylophones"
SEED = 7
PLAIN = NoiseOptions()


def load(folder: Path, noise: NoiseOptions = PLAIN, **options: Any) -> Any:
    """The family's model of the base in `folder`, all parts open, in float32."""
    family = family_of(folder, "tiny")
    given = {"variant": None, "dtype": torch.float32, "noise": noise} | options
    return family.load(resolve_base(str(folder)), family.info(folder, None), **given)


def pixels(width: int = 64, height: int = 64) -> torch.Tensor:
    """(3, H, W) in [-1, 1]: soft, as a picture is."""
    generator = torch.Generator().manual_seed(3)
    small = torch.rand(1, 3, 4, 4, generator=generator) * 2 - 1
    big = torch.nn.functional.interpolate(small, (height, width), mode="bilinear")
    return big[0]


class Noting(torch.nn.Module):
    """Stands in the denoiser's place: `calls` are what it was called with, `answer(arguments)` is
    what it says."""

    def __init__(self, denoiser: torch.nn.Module, answer: Callable[[Mapping[str, Any]], Any]):
        super().__init__()
        self.config, self.dtype, self.device = denoiser.config, torch.float32, torch.device("cpu")
        self.names = [name for name in _parameters(denoiser) if name != "self"]
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.answer = answer
        self.calls: list[dict[str, Any]] = []
        self.in_channels = denoiser.config.in_channels

    def forward(self, *args: Any, **options: Any) -> Any:
        arguments = dict(zip(self.names, args, strict=False)) | options
        self.calls.append(arguments)
        return (self.answer(arguments),)

    @contextmanager
    def cache_context(self, name: str) -> Any:
        yield


def _parameters(denoiser: torch.nn.Module) -> list[str]:
    import inspect

    return list(inspect.signature(type(denoiser).forward).parameters)


IGNORED = ("return_dict", "joint_attention_kwargs", "attention_kwargs")


def same(found: Any, wanted: Any, what: str, atol: float = 2e-5) -> None:
    """Every argument of a call is what another call had; ids may come once for all pictures."""
    if isinstance(wanted, torch.Tensor):
        assert isinstance(found, torch.Tensor), what
        if what.endswith("_ids") and wanted.dim() == found.dim() + 1:
            wanted = wanted[0]
        assert found.shape == wanted.shape, (what, found.shape, wanted.shape)
        assert torch.allclose(found.float(), wanted.float(), atol=atol), what
    elif isinstance(wanted, Mapping):
        told = {key: value for key, value in wanted.items() if key not in IGNORED}
        have = {key: value for key, value in found.items() if key not in IGNORED}
        for key in told.keys() | have.keys():
            same(have.get(key), told.get(key), key, atol)
    elif isinstance(wanted, Sequence) and not isinstance(wanted, str):
        assert len(found) == len(wanted), what
        for one, other in zip(found, wanted, strict=True):
            same(one, other, what, atol)
    else:
        assert found == wanted, (what, found, wanted)


def check_against_pipeline(
    folder: Path,
    raw: Callable[[torch.Tensor, Mapping[str, Any]], Any],
    clock: Callable[[Mapping[str, Any]], torch.Tensor],
    decoded: Callable[[Any, torch.Tensor], torch.Tensor],
    *,
    size: tuple[int, int] = (64, 48),
    steps: int = 3,
    call: Mapping[str, Any] | None = None,
    uncond: bool = False,
    stripped: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    atol: float = 2e-5,
    given: Sequence[Any] = (),
    seen: bool = False,
) -> None:
    """The base's own pipeline, stepping from our noise to a predictor's answers, which are our
    target in the form `raw(target, arguments)` that it expects, arrives at the picture, and each of
    its calls is the one that our family makes for the moment that `clock(arguments)` tells.
    `decoded(vae, pixels)`: the picture through the VAE, from its own parts. `uncond`: every second
    call is that with the dropped caption. `stripped(arguments)`: its call without what it pads.
    `atol`: how far the arguments of the two may be apart. `given`: the pictures that the call makes
    its own from, which the text encoder has `seen`."""
    model = load(folder)
    pipeline = model.pipeline
    picture = model.encode_picture(pixels(*size))
    batch = stacked([picture | (model.encode_references(given) if given else {})])
    latents = model.latents(batch, torch.zeros(1, *model.latent_shape(picture)))
    generator = torch.Generator().manual_seed(SEED)
    noise = torch.randn(latents.shape, generator=generator)
    target = noise - latents
    theirs = Noting(model.denoiser, lambda arguments: raw(target, arguments))
    pipeline.transformer = theirs
    image = pipeline(
        prompt=CAPTION,
        width=size[0],
        height=size[1],
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(SEED),
        output_type="pt",
        **call or {},
    ).images
    assert torch.allclose(image, decoded(pipeline.vae, pixels(*size)), atol=2e-3)

    ours = Noting(model.denoiser, lambda arguments: raw(target, arguments))
    model.denoiser = ours
    assert len(theirs.calls) == steps * (1 + uncond)
    for number, wanted in enumerate(theirs.calls):
        caption = "" if uncond and number % 2 else CAPTION
        told = model.encode_seen(caption, given) if seen else model.encode_caption(caption)
        captions = model.collate([told])
        s = clock(wanted)
        noised = model.noised(latents, noise, torch.zeros(1))
        noised = type(noised)((1 - s) * latents + s * noise, s.reshape(1), target, torch.ones(1))
        answer = model.predict(noised, Conditions(batch, captions))
        assert torch.allclose(answer, target, atol=1e-5)
        same(ours.calls[-1], stripped(wanted), f"call {number}", atol)


def our_loss(model: Any, picture: Any, caption: Any, noise: torch.Tensor, t: float) -> float:
    """The loop's loss of one picture with this noise at the moment `t`, its posterior's middle."""
    return loss_of(
        model, [picture], [caption], torch.zeros(1, *model.latent_shape(picture)), noise,
        torch.tensor([t]), prediction="flow", settings=TrainSettings(snr_gamma=0),
    )  # fmt: skip


def loss_of(
    model: Any,
    pictures: Sequence[Any],
    captions: Sequence[Any],
    posterior: torch.Tensor,
    noise: torch.Tensor,
    t: torch.Tensor,
    *,
    prediction: str,
    settings: TrainSettings | None = None,
) -> float:
    """The loop's loss of a batch of encoded pictures and captions."""
    recipe = make_recipe(
        settings or TrainSettings(), resolution=64, images=len(pictures), world_size=1,
        precision="no", prediction_type=prediction,
    )  # fmt: skip
    batch = {
        "pictures": stacked_pictures(pictures),
        "captions": model.collate(captions),
        "posterior": posterior,
        "noise": noise,
        "t": t,
    }
    unused: Any = None
    with torch.no_grad():
        return float(loss_sum(TrainState(model, {}, unused, unused, unused), recipe, batch))
