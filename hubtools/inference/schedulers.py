"""Samplers by the names people use, always built from the base's own scheduler configuration.

A bare constructor would silently use other betas, spacing and prediction type than the base was
trained with. `from_config` keeps them (diffusers docs, "Schedulers").
"""

from __future__ import annotations

import difflib
from typing import Any

from hubtools.errors import HubtoolsError, UsageError

# name -> (diffusers class, what the name adds to the base's configuration)
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "dpm2_a": ("KDPM2AncestralDiscreteScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpmpp_2m_karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
    ),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2m_sde_karras": (
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True},
    ),
    "dpmpp_s": ("DPMSolverSinglestepScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "flow_euler": ("FlowMatchEulerDiscreteScheduler", {}),
    "flow_heun": ("FlowMatchHeunDiscreteScheduler", {}),
}

_NEEDS_SCIPY = {"LMSDiscreteScheduler"}


def use_scheduler(pipeline: Any, name: str) -> str:
    """Give `pipeline` the sampler `name` (a key of `SCHEDULERS`, a diffusers class name, or
    `default` for the base's own) and return the class name.

    Raises `UsageError` for an unknown name and for one that does not fit the pipeline's family.
    """
    current = pipeline.scheduler
    if name == "default":
        return type(current).__name__
    class_name, options = _lookup(name)
    fitting = {cls.__name__ for cls in current.compatibles} | {type(current).__name__}
    if "DDIMScheduler" in fitting:
        fitting.add("LCMScheduler")  # its own list leaves it out, though it takes their settings
    if class_name not in fitting:
        names = sorted(key for key, (cls, _) in SCHEDULERS.items() if cls in fitting)
        raise UsageError(
            f"The scheduler {name} does not fit {type(pipeline).__name__}.",
            hint=f"these do: {', '.join(names)}",
        )
    if class_name in _NEEDS_SCIPY:
        _require_scipy(name)
    import diffusers

    pipeline.scheduler = getattr(diffusers, class_name).from_config(current.config, **options)
    return class_name


def options_of(name: str) -> dict[str, Any]:
    """What the name adds to the base's scheduler configuration (empty for class names)."""
    return dict(SCHEDULERS[name][1]) if name in SCHEDULERS else {}


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


def _require_scipy(name: str) -> None:
    import importlib.util

    if importlib.util.find_spec("scipy") is None:
        raise HubtoolsError(
            f"The scheduler {name} needs scipy, which is not installed.", hint="pip install scipy"
        )
