"""What a card says of its LoRA's licence."""

from __future__ import annotations

from pathlib import Path

from hubtools.cardlinks import is_inside
from hubtools.cards.escape import is_web_address
from hubtools.cards.merge import NOTHING_SAID, Own
from hubtools.errors import HubtoolsError
from hubtools.findings import shortened
from hubtools.licensing.ids import is_license
from hubtools.licensing.resolve import License, base_license, license_of_lora
from hubtools.manifest import RunManifest, StartedFrom
from hubtools.project import Project


def model_license(
    manifest: RunManifest, project: Project, base_model: str | None, own: Own = NOTHING_SAID
) -> License:
    """The LoRA's licence: what the settings say if the base allows it, else what the base asks
    for, else what stands in the card. Raises `HubtoolsError` rather than guess, and for a link
    that is none of the web."""
    base = Path(project.base) if project.base else None
    folder = base if base is not None and base.is_dir() else None
    settings, theirs = project.model, own.data.get("license")
    if settings.license is None and isinstance(theirs, str) and is_license(theirs):
        asked = base_license(manifest, base_model, folder)
        if asked is None or asked.id is None or not is_license(asked.id):
            found = {k: own.data.get(k) for k in ("license", "license_name", "license_link")}
            said = {key: value for key, value in found.items() if isinstance(value, str)}
            settings = settings.model_copy(update=said)
    return _checked(license_of_lora(manifest, settings, base_model, folder))


def _checked(found: License) -> License:
    if found.link is not None and not (is_web_address(found.link) or is_inside(found.link)):
        raise HubtoolsError(
            f"The licence's link {shortened(found.link, 80)!r} is neither an address of the web nor"
            " a file.",
            hint="set model.license_link to an https address in hubtools.toml",
            code="license-unclear",
        )
    return found


def of_foreign(
    project: Project, base_model: str | None, place: str | None, own: Own
) -> License | None:
    """The licence of a LoRA that was not trained here: of the settings if its base allows it, of
    the author's card, else what the base asks for; None if nothing tells. `place`: where the base
    lies on this disk. Raises `HubtoolsError` for one that cannot be."""
    settings = project.model
    folder = Path(place) if place is not None and Path(place).is_dir() else None
    theirs, name, link = (own.data.get(key) for key in ("license", "license_name", "license_link"))
    typed = "model.license" in project.given
    theirs_counts = not typed and ("license" in own.keys or settings.license is None)
    if theirs_counts and isinstance(theirs, str) and is_license(theirs):
        # C304 tells whether the base allows it
        name, link = (one if isinstance(one, str) else None for one in (name, link))
        return License(theirs, name, link)
    if settings.license is None:
        base = base_license(None, base_model, folder)
        if base is None or base.id is None or not is_license(base.id):
            return None
    return _checked(license_of_lora(None, settings, base_model, folder))


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
        where = f" ({license.link})" if license.link else ""
        return f"{license.title}{where}{of_base if license.link else ''}."
    return f"{license.title} ({license.id}){of_base if 'rail' in license.id else ''}."
