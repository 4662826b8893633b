"""What a card says of its LoRA's licence."""

from __future__ import annotations

from pathlib import Path

from hubtools.cards.escape import is_inside, is_web_address
from hubtools.errors import HubtoolsError
from hubtools.licensing.resolve import License, license_of_lora
from hubtools.manifest import RunManifest, StartedFrom
from hubtools.project import Project


def model_license(manifest: RunManifest, project: Project, base_model: str | None) -> License:
    """The LoRA's licence: what the settings say if the base allows it, else what the base asks
    for. Raises `HubtoolsError` rather than guess, and for a link that is none of the web."""
    base = Path(project.base) if project.base else None
    folder = base if base is not None and base.is_dir() else None
    found = license_of_lora(manifest, project.model, base_model, folder)
    if found.link is not None and not (is_web_address(found.link) or is_inside(found.link)):
        raise HubtoolsError(
            f"The licence's link {found.link[:80]!r} is neither an address of the web nor a file.",
            hint="set model.license_link to an https address in hubtools.toml",
            code="license-unclear",
        )
    return found


def license_sentence_of(
    license: License, base_model: str | None, start: StartedFrom | None = None
) -> str:
    """The sentences of the card on its licence. `start`: the LoRA that the run began with."""
    said = _sentence(license, base_model)
    return said if start is None else f"{said} It was started from {start.words}."


def _sentence(license: License, base_model: str | None) -> str:
    if license.reason:
        title = f"{license.title} ({license.link or license.id})"
        return f"{title}, which is not what its base model asks for. The reason: {license.reason}"
    of_base = f", as its base model {base_model} asks" if base_model else ""
    if license.id == "other":
        return f"{license.title} ({license.link}){of_base}."
    return f"{license.title} ({license.id}){of_base if 'rail' in license.id else ''}."
