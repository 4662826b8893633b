"""Samplers by the names people use, always built from the base's own scheduler configuration.

A bare constructor would silently use other betas, spacing and prediction type than the base was
trained with. `from_config` keeps them (diffusers docs, "Schedulers").
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
from collections.abc import Sequence
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
    if name == "default":
        return type(current).__name__
    class_name, options = _lookup(name)
    if not _fits(class_name, options, current):
        names = [key for key, (cls, add) in SCHEDULERS.items() if _fits(cls, add, current)]
        raise UsageError(
            f"The scheduler {name} does not fit {type(pipeline).__name__},"
            f" whose base {_kind(current)}.",
            hint=f"these do: {', '.join(names)}",
        )
    _require(class_name, name)
    import diffusers

    scheduler_class = getattr(diffusers, class_name)
    if _zero_snr(current) and not _takes(scheduler_class, _ZERO_SNR):
        raise UsageError(
            f"The scheduler {name} cannot start from pure noise, as this base was trained to"
            " (zero terminal SNR); its pictures would be washed out.",
            hint=f"these can: {', '.join(_zero_snr_names(current))}",
        )
    if "use_flow_sigmas" in options:
        options = {**options, "flow_shift": float(current.config.get("shift") or 1.0)}
    pipeline.scheduler = scheduler_class.from_config(current.config, **options)
    return class_name


def check_steps(pipeline: Any, steps: int) -> None:
    """Raise `UsageError` for a number of steps that the base's scheduler makes no numbers of: one,
    where it stretches them to a last one (`shift_terminal`)."""
    if steps == 1 and pipeline.scheduler.config.get("shift_terminal"):
        raise UsageError(
            f"{type(pipeline).__name__} draws nothing in a single step: its scheduler stretches the"
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


def _is_flow(scheduler: Any) -> bool:
    """True if the base predicts a flow (rectified flow), not noise or velocity."""
    return is_flow({**scheduler.config, "_class_name": type(scheduler).__name__})


def _kind(scheduler: Any) -> str:
    if _is_flow(scheduler):
        return "predicts a flow"
    return f"predicts {scheduler.config.get('prediction_type') or 'epsilon'}"


def _fits(class_name: str, options: dict[str, Any], current: Any) -> bool:
    if class_name == type(current).__name__ and not options:
        return True
    flow = class_name.startswith("FlowMatch") or "use_flow_sigmas" in options
    if flow or _is_flow(current):
        # Heun's timesteps cannot be shifted by the size of the picture (FLUX does that).
        shifts = bool(current.config.get("use_dynamic_shifting"))
        return flow and _is_flow(current) and not (shifts and "Heun" in class_name)
    # its own list leaves LCM out, though it takes their settings
    fitting = {cls.__name__ for cls in current.compatibles} | {"LCMScheduler"}
    return class_name in fitting


_ZERO_SNR = "rescale_betas_zero_snr"


def _zero_snr(scheduler: Any) -> bool:
    return bool(scheduler.config.get(_ZERO_SNR))


def _takes(scheduler_class: type, parameter: str) -> bool:
    return parameter in inspect.signature(scheduler_class).parameters


def _zero_snr_names(current: Any) -> list[str]:
    import diffusers

    return [
        name
        for name, (class_name, options) in SCHEDULERS.items()
        if _fits(class_name, options, current)
        and not _missing(class_name)
        and _takes(getattr(diffusers, class_name), _ZERO_SNR)
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
