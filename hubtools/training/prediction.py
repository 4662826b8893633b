"""What a base predicts is measured, not believed: a wrong scheduler file would train in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.models.families.batches import Conditions, Tensors, stacked
from hubtools.models.families.noise import DDPM, FLOW, Noised
from hubtools.models.families.protocol import Model
from hubtools.training.device import autocast
from hubtools.training.draws import Chosen
from hubtools.training.texts import at_rest, without_lora

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

# Near pure noise, where noise and velocity have least in common, but not where nothing is left; and
# in the middle, where a flow is more than the noise: near its end nobody sees the picture in it.
_MOMENTS = ((0.85, 0.95), (0.5,))
PICTURES = 2
_WORDS = {FLOW: "a flow"}
# A base that has learned explains this much of its target there, and so much more than of another.
_KNOWS, _MORE = 0.3, 0.25
# So much below that on the first picture, the others would not change the verdict.
_FAR_BELOW = 0.2


@dataclass(frozen=True)
class Explained:
    """How much of each possible target the base's answers explain: 1 is all, 0 what answering
    nothing would, below it worse than that. By the name of the prediction: near pure noise, where
    all are told apart, and in the `middle`, where a flow is told from the others."""

    shares: Mapping[str, float]
    middle: Mapping[str, float]

    def contradicts(self, prediction: str) -> str | None:
        """What the base predicts if that is plainly not `prediction`; None if it may be."""
        found = self.plainly_not(prediction)
        return found[0] if found else None

    def plainly_not(self, prediction: str, margin: float = 0.0) -> tuple[str, float, float] | None:
        """What the base predicts, how much its answers explain of that, and how much of
        `prediction`; None if it may predict that. With a `margin`, None only if so much less would
        have done."""
        far, near = self.shares, self.middle
        for best, shares in ((max(far, key=lambda name: far[name]), far), (FLOW, near)):
            enough = max(_KNOWS, shares[prediction] + _MORE) - margin
            if best in shares and best != prediction and shares[best] > enough:
                return best, shares[best], shares[prediction]
        return None


def explained(
    model: Model,
    encoded: Callable[[int, Chosen], tuple[Tensors, Tensors]],
    count: int,
    *,
    precision: str,
    device: torch.device,
    prediction: str | None = None,
) -> Explained | None:
    """Measure it on the first of `count` items that are encoded, without the LoRA; on the first
    alone where its answers are far from contradicting `prediction`. None for models that are
    noised otherwise."""
    import torch

    noise = getattr(model, "noise", None)
    if not isinstance(noise, DDPM):
        return None
    generator = torch.Generator("cpu").manual_seed(0)
    missed: tuple[dict[str, float], ...] = tuple({} for _ in _MOMENTS)
    whole: tuple[dict[str, float], ...] = tuple({} for _ in _MOMENTS)
    found = None
    with at_rest(model), without_lora(model):
        for index in range(min(count, PICTURES)):
            picture, caption = encoded(index, Chosen())
            pictures, captions = (
                {name: value.to(device) for name, value in batch.items()}
                for batch in (stacked([picture] * 2), model.collate([caption] * 2))
            )
            for place, moment in ((n, one) for n, some in enumerate(_MOMENTS) for one in some):
                # one at a time, where no large batch may fit
                t = torch.tensor([moment] * 2, device=device)
                shape = (1, *model.latent_shape(picture))
                drawn = torch.randn(shape, generator=generator).to(device)
                drawn = torch.cat([drawn, drawn])
                with torch.no_grad(), autocast(device, precision):
                    latents = model.latents(pictures, torch.zeros_like(drawn))
                    conditions = Conditions(pictures, captions)
                    noised = model.noised(latents, drawn, t)
                    flowing = _on_the_line(noised, latents, drawn, moment)
                    both = torch.cat([noised.latents[:1], flowing.latents[1:]])
                    answers = model.predict(replace(noised, latents=both), conditions).float()
                told = {
                    name: (answers[:1], target[:1])
                    for name, target in noise.targets(latents.float(), drawn, t).items()
                }
                told[FLOW] = (answers[1:], flowing.target[1:])
                for name, (said, target) in told.items():
                    off = float((said - target).square().mean())
                    missed[place][name] = missed[place].get(name, 0.0) + off
                    square = float(target.square().mean())
                    whole[place][name] = whole[place].get(name, 0.0) + square
            found = Explained(
                *(
                    {name: 1 - off[name] / of[name] for name in off}
                    for off, of in zip(missed, whole, strict=True)
                )
            )
            if prediction is not None and not found.plainly_not(prediction, _FAR_BELOW):
                break
    return found


def _on_the_line(noised: Noised, latents: Tensor, noise: Tensor, s: float) -> Noised:
    """Noised as a base of flow matching (arXiv:2209.03003) is: on the straight line from latents to
    noise, at the same timestep."""
    latents = latents.float()
    line = ((1 - s) * latents + s * noise).to(noised.latents.dtype)
    return replace(noised, latents=line, target=noise - latents)


def check_prediction(found: Explained | None, prediction: str, *, set_by_user: bool) -> None:
    """Raise `HubtoolsError` if the base plainly predicts something else than `prediction`."""
    plain = found.plainly_not(prediction) if found is not None else None
    if plain is None:
        return
    other, much, little = plain
    who = "prediction_type" if set_by_user else "its scheduler's configuration"
    if other == FLOW:
        hint = "train on the base that it was made from: of its family no flows are trained"
    else:
        hint = "leave prediction_type out" if set_by_user else f"--prediction-type {other}"
    raise HubtoolsError(
        f"The base predicts {_WORDS.get(other, other)}, but {who} says {prediction}: its answers to"
        f" noised pictures explain {much:.0%} of the one and {little:.0%} of the other. Trained so,"
        " it would unlearn what it knows.",
        hint=hint,
        code="bad-setting" if set_by_user else "file-damaged",
    )
