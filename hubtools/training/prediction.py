"""What a base predicts is measured, not believed: a wrong scheduler file would train in silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.models.families.batches import Conditions, Tensors, stacked
from hubtools.models.families.noise import DDPM, DDPM_PREDICTIONS
from hubtools.models.families.protocol import Model
from hubtools.training.device import autocast
from hubtools.training.draws import Chosen
from hubtools.training.texts import at_rest, without_lora

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

# Near pure noise, where noise and velocity have least in common, but not where nothing is left.
_MOMENTS = (0.85, 0.95)
_PICTURES = 2
# A base that has learned explains this much of its target there, and so much more than of another.
_KNOWS, _MORE = 0.3, 0.25


@dataclass(frozen=True)
class Explained:
    """How much of each possible target the base's answers explain: 1 is all, 0 what answering
    nothing would, below it worse than that. By the name of the prediction."""

    shares: dict[str, float]

    def contradicts(self, prediction: str) -> str | None:
        """What the base predicts if that is plainly not `prediction`; None if it may be."""
        best = max(self.shares, key=lambda name: self.shares[name])
        plain = self.shares[best] > max(_KNOWS, self.shares[prediction] + _MORE)
        return best if plain else None


def explained(
    model: Model,
    encoded: Callable[[int, Chosen], tuple[Tensors, Tensors]],
    count: int,
    *,
    precision: str,
    device: torch.device,
) -> Explained | None:
    """Measure it on the first of `count` items that are encoded, without the LoRA. None for
    models that are noised otherwise."""
    import torch

    noise = getattr(model, "noise", None)
    if not isinstance(noise, DDPM):
        return None
    generator = torch.Generator("cpu").manual_seed(0)
    missed, whole = dict.fromkeys(DDPM_PREDICTIONS, 0.0), dict.fromkeys(DDPM_PREDICTIONS, 0.0)
    with at_rest(model), without_lora(model):
        for index in range(min(count, _PICTURES)):
            picture, caption = encoded(index, Chosen())
            pictures, captions = (
                {name: value.to(device) for name, value in batch.items()}
                for batch in (stacked([picture]), model.collate([caption]))
            )
            for moment in _MOMENTS:  # one at a time, where no batch may fit
                t = torch.tensor([moment], device=device)
                shape = (1, *model.latent_shape(picture))
                drawn = torch.randn(shape, generator=generator).to(device)
                with torch.no_grad(), autocast(device, precision):
                    latents = model.latents(pictures, torch.zeros_like(drawn))
                    noised = model.noised(latents, drawn, t)
                    answer = model.predict(noised, Conditions(pictures, captions)).float()
                for name, target in noise.targets(latents.float(), drawn, t).items():
                    missed[name] += float((answer - target).square().mean())
                    whole[name] += float(target.square().mean())
    return Explained({name: 1 - missed[name] / whole[name] for name in missed})


def check_prediction(found: Explained | None, prediction: str, *, set_by_user: bool) -> None:
    """Raise `HubtoolsError` if the base plainly predicts something else than `prediction`."""
    other = found.contradicts(prediction) if found is not None else None
    if found is None or other is None:
        return
    assert set(found.shares) == set(DDPM_PREDICTIONS)
    who = "prediction_type" if set_by_user else "its scheduler's configuration"
    raise HubtoolsError(
        f"The base predicts {other}, but {who} says {prediction}: its answers to noised pictures"
        f" explain {found.shares[other]:.0%} of the one and {found.shares[prediction]:.0%} of the"
        " other. Trained so, it would unlearn what it knows.",
        hint="leave prediction_type out" if set_by_user else f"--prediction-type {other}",
        code="bad-setting" if set_by_user else "file-damaged",
    )
