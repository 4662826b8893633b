"""The licence of a LoRA: what its base asks for, or what the settings say if the base allows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubtools.errors import HubtoolsError
from hubtools.frontmatter import read_card
from hubtools.hub.download import fetched
from hubtools.hub.errors import is_unreachable
from hubtools.layout import CARD
from hubtools.licensing.ids import (
    BaseLicense,
    check_derived,
    is_license,
    license_of_base,
    license_of_card,
    name_of,
    suggest,
)
from hubtools.manifest import BaseModelFacts, RunManifest
from hubtools.models.base import Base
from hubtools.settings import ModelSettings
from hubtools.tinypeople import REPO_NAME, is_tiny_people


@dataclass(frozen=True)
class License:
    """A licence as a card writes it; name and link for `other`."""

    id: str
    name: str | None = None
    link: str | None = None
    reason: str | None = None  # why it is another one than the base asks for
    is_base_s: bool = False  # nobody has chosen it: the base asks for it

    @property
    def title(self) -> str:
        """In words."""
        return self.name or name_of(self.id)


def license_of_lora(
    manifest: RunManifest | None,
    settings: ModelSettings,
    base_model: str | None,
    folder: Path | None = None,
) -> License:
    """The LoRA's licence: what the settings say if the base allows it, else what the base asks
    for. `manifest`: of its run, if hubtools has trained it; `folder`: where the base lies on this
    disk, if it does. Raises `HubtoolsError` rather than guess."""
    base = base_license(manifest, base_model, folder)
    chosen = settings.license
    if chosen is None:
        if base is None or base.id is None or not is_license(base.id):
            known = f" ({base.source})" if base else ""
            raise HubtoolsError(
                f"The licence of the base model {base_model or '(a local folder)'} is not"
                f" known{known}.",
                hint=(
                    ""
                    if base_model
                    else "say where it lies, if its card tells: --base-model DIR; or "
                )
                + "read it, then say which the LoRA has: --license ID, or model.license in"
                " hubtools.toml",
                code="license-unclear",
            )
        if problem := _against_start(manifest, base.id, base.name):
            raise HubtoolsError(
                f"The LoRA cannot be licensed {base.id}, as its base asks: {problem}.",
                hint="set model.license to one that both allow; if you were given the right to"
                " another, say how in model.license_reason",
                code="license-unclear",
            )
        return License(base.id, base.name, base.link, is_base_s=True)
    if not is_license(chosen):
        near = suggest(chosen)
        raise HubtoolsError(
            f"The Hub knows no licence {chosen!r}.",
            hint=f"write {near}" if near else "use an id of the Hub's list, or other",
            code="license-unclear",
        )
    name, link = settings.license_name, settings.license_link
    reason = None
    if problem := check_derived(base, chosen, name) or _against_start(manifest, chosen, name):
        reason = (settings.license_reason or "").strip() or None
        if reason is None:
            raise HubtoolsError(
                f"The LoRA cannot be licensed {chosen}: {problem}.",
                hint="leave --license (model.license) out to take the base's; if you were given the"
                " right, say how in model.license_reason",
                code="license-unclear",
            )
    if chosen == "other" and base is not None and base.id == "other":
        name, link = name or base.name, link or base.link
    if chosen == "other" and not (name and link):
        raise HubtoolsError(
            "The licence `other` needs a name and a link.",
            hint="set model.license_name and model.license_link in hubtools.toml",
            code="license-unclear",
        )
    return License(chosen, name, link, reason)


def _against_start(manifest: RunManifest | None, chosen: str, name: str | None) -> str | None:
    """Why the LoRA that the run began with, as it was then, forbids a licence."""
    start = manifest.started_from if manifest is not None else None
    if start is None or start.license is None:
        return None
    card = start.model_dump(include={"license", "license_name", "license_link"})
    asked = license_of_card(card, "the LoRA that it was started from")
    return check_derived(asked, chosen, name, f"it was started from {start.name}, whose")


def license_of_source(
    repo: str | None, folder: Path | None, base_model: str | None
) -> BaseLicense | None:
    """The licence of a LoRA to start from: of its card on the Hub or in its folder, else what its
    base asks for; None if nothing tells."""
    if repo is not None:
        return _from_hub(repo)
    if folder is not None and (folder / CARD).is_file():
        found = license_of_card(read_card(folder / CARD).data, f"the card in {folder.name}")
        if found is not None:
            return found
    return license_of_base(base_model) if base_model else None


def base_license(
    manifest: RunManifest | None, base_model: str | None, folder: Path | None = None
) -> BaseLicense | None:
    """The base's licence: from the run's manifest, from the shipped table (some cards are known to
    be wrong, and the check of the card reads the table too), or from the base's own card, in its
    folder on this disk or on the Hub."""
    facts = manifest.base_model if manifest is not None else None
    if facts is not None and facts.license:
        card = {
            "license": facts.license,
            "license_name": facts.license_name,
            "license_link": facts.license_link,
        }
        return license_of_card(card, "the run's manifest")
    known = license_of_base(base_model) if base_model is not None else None
    if known is None and folder is not None and (folder / CARD).is_file():
        own = license_of_card(read_card(folder / CARD).data, f"the card in {folder.name}")
        known = own if own is not None and own.id is not None else None
    if known is not None or base_model is None:
        return known
    return _from_hub(base_model)


def base_facts(base: Base) -> BaseModelFacts:
    """What a run writes down of its base. Of one that lies on this disk also the licence that its
    own card names, and whether it came with hubtools: who has the run only could not look there."""
    facts = BaseModelFacts(
        id=base.id,
        revision=base.revision,
        family=base.family,
        prediction_type=base.prediction_type,
        random_weights=base.random_weights,
    )
    folder = Path(base.path_or_id)
    if not base.local:
        return facts
    known = license_of_base(base.id) if base.id is not None else None
    own = read_card(folder / CARD).data if (folder / CARD).is_file() else {}
    found = license_of_card(own, f"the card in {folder.name}")
    said = {}
    if known is None and found is not None and found.id is not None and is_license(found.id):
        said = {"license": found.id, "license_name": found.name, "license_link": found.link}
    bundled = REPO_NAME if is_tiny_people(folder) else None
    return facts.model_copy(update=said | {"bundled": bundled})


def _from_hub(base_model: str) -> BaseLicense | None:
    try:
        path = fetched(base_model, CARD)
    except Exception as error:
        # offline, gated or without a card; a disk that fails is another matter
        if isinstance(error, OSError) and error.errno is not None and not is_unreachable(error):
            raise
        return None
    return license_of_card(read_card(path).data, "its model card")
