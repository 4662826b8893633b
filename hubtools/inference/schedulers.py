"""Samplers by the names people use, always built from the base's own scheduler configuration.

A bare constructor would silently use other betas, spacing and prediction type than the base was
trained with. `from_config` keeps them (diffusers docs, "Schedulers").
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from hubtools.errors import HubtoolsError, UsageError
from hubtools.models.lookup import is_flow

_MULTI, _SDE = "DPMSolverMultistepScheduler", "DPMSolverSDEScheduler"
_KARRAS = {"use_karras_sigmas": True}

# name -> (diffusers class, what the name adds to the base's configuration)
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "dpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpmpp_2m": (_MULTI, {"algorithm_type": "dpmsolver++"}),
    "dpmpp_2m_karras": (_MULTI, {"algorithm_type": "dpmsolver++", **_KARRAS}),
    "dpmpp_2m_sde": (_MULTI, {"algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2m_sde_karras": (_MULTI, {"algorithm_type": "sde-dpmsolver++", **_KARRAS}),
    "dpmpp_s": ("DPMSolverSinglestepScheduler", {}),
    "dpmpp_sde": (_SDE, {}),
    "dpmpp_sde_karras": (_SDE, _KARRAS),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "kdpm2": ("KDPM2DiscreteScheduler", {}),  # diffusers' name of dpm2
    "kdpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow_heun": ("FlowMatchHeunDiscreteScheduler", {}),
    "flow_lcm": ("FlowMatchLCMScheduler", {}),
    "flow_unipc": (
        "UniPCMultistepScheduler",
        {"use_flow_sigmas": True, "prediction_type": "flow_prediction"},
    ),
}

# Those that take `rescale_betas_zero_snr`.
FROM_PURE_NOISE = frozenset(
    {
        "DDIMScheduler", "DDPMScheduler", _MULTI, "EulerAncestralDiscreteScheduler",
        "EulerDiscreteScheduler", "LCMScheduler", "UniPCMultistepScheduler",
    }
)  # fmt: skip
# Packages that diffusers imports for them and does not depend on.
_NEEDS = {"LMSDiscreteScheduler": ("scipy",), _SDE: ("torchsde", "scipy")}


def use_scheduler(pipeline: Any, name: str) -> str:
    """Give `pipeline` the sampler `name` (a key of `SCHEDULERS`, a diffusers class name, or
    `default` for the base's own) and return the class name.

    Raises `UsageError` for an unknown name and for one that does not fit what the base was
    trained for (noise, velocity or flow; zero terminal SNR), `HubtoolsError` if a package is
    missing.
    """
    current = pipeline.scheduler
    told = {**current.config, "_class_name": type(current).__name__}
    check_fits(name, told, type(pipeline).__name__)
    if name == "default":
        return type(current).__name__
    import diffusers

    class_name, options = _lookup(name)
    scheduler_class = getattr(diffusers, class_name)
    if "use_flow_sigmas" in options:
        options = {**options, "flow_shift": float(current.config.get("shift") or 1.0)}
    pipeline.scheduler = scheduler_class.from_config(current.config, **options)
    return class_name


def check_fits(name: str, told: Mapping[str, Any], pipeline: str) -> None:
    """Raise what `use_scheduler` would for a `pipeline` (its class) whose own scheduler has the
    configuration `told`; nothing is loaded."""
    if name == "default":
        return
    class_name, options = _lookup(name)
    if not _fits(class_name, options, told):
        names = [key for key, (cls, add) in SCHEDULERS.items() if _fits(cls, add, told)]
        raise UsageError(
            f"The scheduler {name} does not fit {pipeline}, whose base {_kind(told)}.",
            hint=f"these do: {', '.join(names)}",
        )
    _require(class_name, name)
    if told.get("rescale_betas_zero_snr") and class_name not in FROM_PURE_NOISE:
        raise UsageError(
            f"The scheduler {name} cannot start from pure noise, as this base was trained to"
            " (zero terminal SNR); its pictures would be washed out.",
            hint=f"these can: {', '.join(_zero_snr_names(told))}",
        )


def check_steps(told: Mapping[str, Any], pipeline: str, steps: int) -> None:
    """Raise `UsageError` for a number of steps that the base's scheduler, of the configuration
    `told`, makes no numbers of: one, where it stretches them to a last one (`shift_terminal`)."""
    if steps == 1 and told.get("shift_terminal"):
        raise UsageError(
            f"{pipeline} draws nothing in a single step: its scheduler stretches the"
            " steps between the first and the last.",
            hint="--steps 2, or more",
            code="bad-setting",
        )


def check_name(name: str) -> None:
    """Raise `UsageError` if no scheduler is called so."""
    if name != "default":
        _lookup(name)


def seed_scheduler(pipeline: Any, seeds: Sequence[int]) -> None:
    """Tell a sampler that draws noise of its own, outside the pipeline's generators, the seed of
    each picture: DPMSolverSDE's Brownian paths come from global chance otherwise."""
    if type(pipeline.scheduler).__name__ == _SDE:
        pipeline.scheduler.noise_sampler_seed = list(seeds)


def options_of(name: str) -> dict[str, Any]:
    """What the name adds to the base's scheduler configuration (empty for class names)."""
    return dict(SCHEDULERS[name][1]) if name in SCHEDULERS else {}


def _kind(told: Mapping[str, Any]) -> str:
    if is_flow(told):
        return "predicts a flow"
    return f"predicts {told.get('prediction_type') or 'epsilon'}"


def _fits(class_name: str, options: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    if class_name == told.get("_class_name") and not options:
        return True
    flow = class_name.startswith("FlowMatch") or "use_flow_sigmas" in options
    if flow or is_flow(told):
        # Heun's timesteps cannot be shifted by the size of the picture (FLUX does that).
        shifts = bool(told.get("use_dynamic_shifting"))
        return flow and is_flow(told) and not (shifts and "Heun" in class_name)
    return True


def _zero_snr_names(told: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name, (class_name, options) in SCHEDULERS.items()
        if _fits(class_name, options, told)
        and not _missing(class_name)
        and class_name in FROM_PURE_NOISE
    ]


def _lookup(name: str) -> tuple[str, dict[str, Any]]:
    if name in SCHEDULERS:
        return SCHEDULERS[name]
    classes = {cls for cls, _ in SCHEDULERS.values()}
    if name in classes:
        return name, {}
    near = difflib.get_close_matches(name, [*SCHEDULERS, *classes], n=1)
    raise UsageError(
        f"No scheduler is called {name!r}.",
        hint=f"did you mean {near[0]}?" if near else f"known: default, {', '.join(SCHEDULERS)}",
    )


def _missing(class_name: str) -> list[str]:
    return [name for name in _NEEDS.get(class_name, ()) if importlib.util.find_spec(name) is None]


def _require(class_name: str, name: str) -> None:
    if missing := _missing(class_name):
        raise HubtoolsError(
            f"The scheduler {name} needs {' and '.join(missing)}, which"
            f" {'is' if len(missing) == 1 else 'are'} not installed.",
            hint=f"pip install {' '.join(missing)}",
            code="missing-package",
        )
