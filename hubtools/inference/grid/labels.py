"""What is written above and beside a grid; the same words in the picture and on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.inference.grid.plan import GridPlan
    from hubtools.manifest import SampleRecord


def heading(plan: GridPlan) -> str:
    """The prompt, with places still open; or, if prompts are an axis, the axes' names."""
    names = {axis.name for axis in plan.axes}
    if "prompt" in names:
        return " x ".join(axis.title for axis in plan.axes)
    return plan.prompt


def constants(plan: GridPlan) -> list[str]:
    """What all cells share, in words."""
    varied = {axis.name for axis in plan.axes}
    shot = plan.cells[0].shot
    words = {
        "seed": f"seed {shot.seed}",
        "scheduler": "the base's own scheduler" if shot.scheduler == "default" else shot.scheduler,
        "steps": plural(shot.steps, "step"),
        "guidance": f"guidance {shot.guidance:g}",
        "rescale": f"rescaled {shot.guidance_rescale:g}" if shot.guidance_rescale else "",
        "size": f"{shot.width}x{shot.height}",
        "lora_weight": _loras(plan, varied),
        "negative_prompt": f"negative: {shot.negative_prompt}" if shot.negative_prompt else "",
    }
    varied.discard("lora_weight")  # its name does not vary
    return [text for name, text in words.items() if text and name not in varied]


def _loras(plan: GridPlan, varied: set[str]) -> str:
    """Names of the LoRAs, with weights where they are the same everywhere."""
    loras = max((cell.loras for cell in plan.cells), key=len)
    weights = not varied & {"lora_weight", "step"}
    names = [lora.file.name + (f" {lora.weight:g}" if weights else "") for lora in loras]
    return f"LoRA {' + '.join(names)}" if names else "no LoRA"


def facts_of(record: SampleRecord, seconds: float | None) -> list[tuple[str, str]]:
    """A cell's parameters for people: (name, value)."""
    loras = [
        f"{lora.name or lora.sha256[:12]} at {lora.weight:g}"
        + (f" (step {lora.step})" if lora.step else "")
        for lora in record.loras
    ]
    rows = [
        ("prompt", record.prompt),
        ("negative prompt", record.negative_prompt or ""),
        ("seed", str(record.seed)),
        ("scheduler", record.scheduler_class),
        ("steps", str(record.steps)),
        ("guidance", f"{record.guidance:g}"),
        ("rescaled", f"{record.guidance_rescale:g}" if record.guidance_rescale else ""),
        ("size", f"{record.width}x{record.height}"),
        ("LoRA", ", ".join(loras) or "none: the bare base"),
        ("base", record.base_model or "a folder"),
        ("time", f"{seconds:.1f} s" if seconds else ""),
    ]
    return [(name, value) for name, value in rows if value]
