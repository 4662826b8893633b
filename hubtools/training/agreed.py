"""That a base predicts what it is said to is measured once for its weights and what they are
trained on, and kept in the cache: a run of the same begins without those passes."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.kept import read_kept, write_kept
from hubtools.layout import AGREED_CACHE, cache_dir
from hubtools.models.identity import VERSION
from hubtools.models.tensors import digest_tensors
from hubtools.training.draws import Chosen
from hubtools.training.prediction import PICTURES, check_prediction, explained

if TYPE_CHECKING:
    import torch

    from hubtools.manifest import RunManifest
    from hubtools.models.families.protocol import Model
    from hubtools.training.encode import EncodedDataset
    from hubtools.training.plan import TrainPlan

_AGREES = b'{"agrees": true}\n'


def check_once(
    model: Model,
    encoded: EncodedDataset,
    plan: TrainPlan,
    manifest: RunManifest,
    device: torch.device,
) -> None:
    """Raise as `check_prediction` does, by what is `explained` of the first pictures; where an
    earlier run has found that they agree, on such a device, nothing is computed."""
    recipe = plan.recipe
    place = _place(model, encoded, plan, manifest, device)
    if place is not None and read_kept(place) == _AGREES:
        with suppress(OSError):  # when it was used last, for whoever tidies up
            os.utime(place)
        return
    said, count = recipe.prediction_type, len(recipe.buckets.of)
    found = explained(
        model, encoded, count, precision=recipe.precision, device=device, prediction=said
    )
    check_prediction(found, said, set_by_user=recipe.settings.prediction_type is not None)
    if found is not None and place is not None:
        write_kept(place, [_AGREES])


def _place(
    model: Model,
    encoded: EncodedDataset,
    plan: TrainPlan,
    manifest: RunManifest,
    device: torch.device,
) -> Path | None:
    """The file of what was measured, named by all that it hangs on; None where nothing tells what
    computes from others, or where several processes do so together."""
    recipe, settings, facts = plan.recipe, plan.recipe.settings, manifest.base_model
    alphas = getattr(getattr(model, "noise", None), "alphas", None)
    weights = facts.revision or facts.fingerprint
    if weights is None or alphas is None or settings.fsdp or plan.trained_texts:
        return None
    told = (
        *(VERSION, manifest.versions, facts.id, weights, settings.variant, repr(plan.base)),
        *(recipe.prediction_type, recipe.precision, settings.quantize, device.type),
    )
    pictures = range(min(len(recipe.buckets.of), PICTURES))
    shown = [tensors for index in pictures for tensors in encoded(index, Chosen())]
    digests = [digest_tensors(tensors) for tensors in ({"alphas": alphas.cpu()}, *shown)]
    name = hashlib.sha256(repr((told, digests)).encode()).hexdigest()
    return cache_dir() / AGREED_CACHE / f"{name}.json"
