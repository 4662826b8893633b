"""What the card of a LoRA may say that was not trained here: what its file, the author's card, the
settings and the folder say. Nothing is guessed; what nothing tells is left out, and rules ask for
it.

Of several that say something, the first counts: what was typed, the author's own card, the settings
of the project, what hubtools wrote into the card, peft's configuration, the file's header.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from hubtools.cardlinks import gallery_files
from hubtools.cards.escape import hub_file, markdown
from hubtools.cards.foreign_pictures import Drawn, drawn_in
from hubtools.cards.gathered import gathered
from hubtools.cards.license import license_sentence_of, of_foreign
from hubtools.cards.merge import Own, own_words
from hubtools.cards.model_card import (
    ModelCard,
    front_matter_of,
    image_name,
)
from hubtools.cards.showing import (
    Shown,
    citation,
    comfyui_of,
)
from hubtools.cards.snippet import snippet
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import human_bytes, open_regular
from hubtools.layout import CONVERTED, LORA_WEIGHTS, PEFT_CONFIG, USUAL_STEMS
from hubtools.lorafile.faults import faults_of
from hubtools.lorafile.look import Weights, family_words, look, words_for
from hubtools.lorafile.provenance import Beside, HeaderFacts, base_of_config, header_facts, hub_id
from hubtools.lorafile.trainer_files import trainer_file
from hubtools.models.registry import TARGETS
from hubtools.models.rows import Target
from hubtools.models.singles import ids_meant
from hubtools.models.targets import target_of
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.runfolders.main_file import lora_in
from hubtools.runfolders.trainers import recognised
from hubtools.tinypeople import REPO_NAME, bundled, is_tiny_people

_NAMED = ("OneTrainer", "sd-scripts", "ai-toolkit", "SimpleTuner", "diffusion-pipe")
_BASE_SETTINGS = ("train.base_model_repo", "train.pretrained_model_name_or_path")
_LICENSES = ("model.license", "model.license_name", "model.license_link", "model.license_reason")
_TRIGGERS = ("dataset.trigger", "dataset.instance_prompt")
_LOADED = re.compile(r"load_lora_weights\('([\w.-]+/[\w.-]+)'")
_FETCHED = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/resolve/main/")
_UNSTATED = (
    "The licence is {}, which its base model asks for. Who made this LoRA has stated none that"
    " the Hub knows: ask, before you publish it."
)


@dataclass(frozen=True)
class Base:
    """The base model: its Hub id, where it lies on this disk, and who says so."""

    id: str | None = None
    place: str | None = None
    source: str = ""


@dataclass(frozen=True)
class Foreign:
    """A folder with a LoRA that was not trained here, looked at. `name`: what the LoRA is published
    as."""

    folder: Path
    project: Project
    weights: Path
    name: str
    held: Weights
    header: HeaderFacts
    own: Own

    @classmethod
    def of(cls, folder: Path, project: Project) -> Foreign:
        """Raises `HubtoolsError` if there is no LoRA, or several of which nothing tells which."""
        file, target = lora_in(folder, project.prune.drop, project.model.adapters)
        weights = folder / file
        held = look(partial(open_regular, weights), weights.stat().st_size)
        with Root(folder) as root:
            own = own_words(root)
        told = header_facts(held.header.metadata)
        scoped = remembering(project.of_folder(folder), own)
        return cls(folder, scoped, weights, target or weights.name, held, told, own)

    @cached_property
    def base(self) -> Base:
        """Raises `HubtoolsError` for one that the LoRA does not fit."""
        found = next(filter(None, self._bases()), Base())
        target = self._target(found)
        if target is not None:
            for fault in faults_of(self.held, target):
                if fault.kind == "other-family":
                    raise HubtoolsError(
                        f"{self.weights}: {fault.text} ({found.id or found.place}, as"
                        f" {found.source} says).",
                        hint="name the base that it was trained on: --base-model OWNER/NAME",
                        code="wrong-kind",
                    )
        return found

    def _bases(self) -> list[Base | None]:
        train, given = self.project.train, self.project.given
        named = train.base_model_repo or train.pretrained_model_name_or_path
        typed = any(name in given for name in _BASE_SETTINGS)
        set_ = self._set("the command line" if typed else "hubtools.toml") if named else None
        card = _base_called(Beside.of(self.folder).card, "its README.md")
        config = base_of_config(self.weights.parent)
        other = trainer_file(self.weights.parent)
        header = self.header.base_model
        return [
            set_ if typed else None,
            card if "base_model" in self.own.keys else None,
            set_,
            card,
            Base(config, None, PEFT_CONFIG) if config else None,
            _base_called(hub_id(other.base), other.file) if other is not None else None,
            _base_called(header, "the header of its file"),
        ]

    def _set(self, source: str) -> Base:
        id, place = base_set(self.project)
        return Base(id, place, source)

    @staticmethod
    def _target(base: Base) -> Target | None:
        named = base.place or base.id
        return target_of(named) if named else None

    @cached_property
    def target(self) -> Target | None:
        """The kind of model that it is for: that of its base, else the only one that it fits."""
        families = self.held.families
        only = TARGETS[families[0]] if len(families) == 1 else None
        return self._target(self.base) or only

    @cached_property
    def trigger(self) -> str | None:
        """What was said, never what the header calls so."""
        dataset = self.project.dataset
        set_ = dataset.trigger or dataset.instance_prompt
        theirs = self.own.data.get("instance_prompt")
        if not isinstance(theirs, str) or not theirs.strip():
            return set_
        typed = any(name in self.project.given for name in _TRIGGERS)
        return set_ if set_ and (typed or "instance_prompt" not in self.own.keys) else theirs

    @cached_property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """What the file is, and what its header says of the training, for a card."""
        held = self.held
        alphas = held.alphas or tuple(sorted(set(held.header_alphas.values())))
        rows = [
            ("kind", words_for(held.header)),
            ("rank", ", ".join(map(str, held.ranks))),
            ("alpha", ", ".join(f"{alpha:g}" for alpha in alphas)),
            ("layers", ", ".join(held.targets)),
            ("numbers", ", ".join(held.dtypes)),
        ]
        told = self.header.rows
        run = None if self.header.trainer else recognised(self.folder)
        if run is not None and run.trainer in _NAMED:
            told = (("written by", run.trainer), *told)
        return (*((name, text) for name, text in rows if text), *told)


def _base_called(name: str | None, source: str) -> Base | None:
    """The base that a card or a header names."""
    place = bundled(name) if name else None
    if place is not None:
        return Base(None, str(place), source)
    return Base(name, None, source) if name else None


def base_set(project: Project) -> tuple[str | None, str | None]:
    """(Hub id, place on this disk) of the base that the settings name, each if it has one. Raises
    `UsageError` for a name that is neither."""
    train = project.train
    name = train.pretrained_model_name_or_path
    place = project.placed(name) if name else None
    is_place = place is not None and Path(place).exists()
    id = train.base_model_repo or (None if is_place or not name else hub_id(name))
    if name and id is None and not is_place:
        raise UsageError(
            f"The base model {name!r} is neither a folder, nor a file, nor a Hub id.",
            hint=ids_meant(name),
            code="bad-setting",
            missing=name,
        )
    return id, place if is_place else None


def foreign_facts(folder: Path, project: Project) -> tuple[ModelCard, list[Shown]]:
    """Gather what is known of the LoRA in `folder`, and the pictures that its card shows.

    Raises `HubtoolsError` if there is no LoRA, or several of which nothing tells which; if its base
    is of another kind; and if the licence that was chosen is none, or not allowed.
    """
    found = Foreign.of(folder, project)
    project, base, held, target = found.project, found.base, found.held, found.target
    repo = project.model.repo
    title = repo.partition("/")[2] if repo else _name(found)
    shown_title = project.model.title or _title_before(found) or title
    shows = gathered(folder, found.weights, project, found.trigger, name=found.name)
    first, measured = shows.first, shows.measured
    drawn = [] if shows.records else _drawn(found)
    example = found.trigger or next((one.prompt for one in drawn if one.prompt), None)
    license = of_foreign(project, base.id, base.place, found.own)
    faults = faults_of(held, target, place=str(found.weights), base_id=base.id)
    support = target.support if target is not None else None
    weight = float(measured.weight) if measured else 1.0
    datasets = found.own.data.get("datasets")
    dataset = hub_id(datasets[0]) if isinstance(datasets, list) and len(datasets) == 1 else None
    if "dataset.repo" in project.given:
        dataset = project.dataset.repo
    ours = REPO_NAME if base.place and is_tiny_people(Path(base.place)) else None
    family = target.name if target is not None else ""
    families = [target.title] if target is not None else []
    card = ModelCard(
        title=shown_title,
        repo=repo,
        base_model=base.id,
        random_base=False,
        bundled=ours,
        family=support.name if support is not None else family,
        family_title=" or ".join(families)
        or ("" if held.strange_widths else family_words(held.families)),
        dataset_repo=dataset,
        dataset_revision=None,
        pictures="",
        steps=None,
        trigger=found.trigger,
        negative_prompt=first.negative_prompt if first else None,
        samples=shows.samples,
        snippet=""
        if faults
        else snippet(base.id, repo, found.name, first, example, support, shows.companions),
        files=shows.files,
        adapters=shows.adapters,
        companions=shows.companions,
        words=shows.words,
        from_pictures=bool(first and first.control_images),
        training=(),
        dora=held.kind == "dora",
        weights=found.name,
        weights_bytes=held.bytes,
        weights_size=human_bytes(held.bytes),
        weights_sha256=shows.files[0].sha256,
        license=license,
        license_sentence=license_sentence_of(license, base.id) if license else "",
        evaluation=measured,
        comparisons=shows.comparisons,
        comfyui=comfyui_of(
            held, found.name, repo, title, weight, support.name if support else None
        ),
        summary=(*found.rows, *shows.precision),
        resolution=found.header.resolution,
        download=hub_file(repo, found.name) if repo else None,
        citation=citation(repo, shown_title, "") if repo else None,
        notes=(
            *(
                (f"The base model is {base.id}, as {base.source} says.",)
                if base.id and base.source not in ("the command line", "hubtools.toml")
                else ()
            ),
            *(
                (f"The card names no base_model: {ours} is on no Hub.",)
                if ours and not base.id
                else ()
            ),
            *((_UNSTATED.format(license.id),) if license and license.is_base_s else ()),
            *(f"{found.weights}: {fault.text}." for fault in faults),
            *shows.notes,
        ),
        command=next((fault.command for fault in faults if fault.command), None),
        trained_here=False,
        kind=words_for(held.header),
        fault=faults[0].text if faults else None,
        heading=not re.search(r"(?m)^# \S", found.own.text),
        gallery=bool(shows.records or drawn or _own_widget(found))
        and "<Gallery" not in found.own.text,
    )
    # where nobody knows a prompt the Hub's own cards have a dash
    prompts = shows.prompts or [(one.prompt or "-", None) for one in drawn]
    card.front_matter.update(front_matter_of(card, prompts))
    return card, [*shows.shown, *(_shown(drawn, folder) if drawn else _lost(found))]


def _shown(drawn: Sequence[Drawn], folder: Path) -> Iterator[Shown]:
    for index, one in enumerate(drawn):
        yield Shown(image_name(index), one.file, None, folder / one.folder)


def _lost(found: Foreign) -> list[Shown]:
    """Pictures that hubtools once wrote for a gallery whose words a person has changed since, and
    that are gone."""
    own, folder = found.own, found.folder
    tags = own.data.get("tags")
    ours = isinstance(tags, list) and "hubtools" in tags and "<Gallery" not in own.text
    if not ours or not _own_widget(found):
        return []
    named = {url for _, url in gallery_files(own.data)}
    with Root(folder) as root:
        again = _shown(drawn_in(root, found.trigger), folder)
        return [one for one in again if one.name in named and not root.exists(one.name)]


def remembering(project: Project, own: Own) -> Project:
    """The project with the repository that the card's own code, or its link, names, where nothing
    else tells it."""
    said = "\n".join(own.blocks.get(name, "") for name in ("use", "comfyui", "files"))
    found = _LOADED.search(said) or _FETCHED.search(said)
    repo = hub_id(found[1]) if found else None
    if project.model.repo or repo is None:
        return project
    model = project.model.model_copy(update={"repo": repo})
    return project.model_copy(update={"model": model})


def _title_before(found: Foreign) -> str | None:
    """The heading that somebody gave the card: none that hubtools makes of a name."""
    heading = found.own.blocks.get("title", "").strip().removeprefix("# ")
    title = html.unescape(re.sub(r"\\([^\w\s])", r"\1", heading))
    said = "\n".join(found.own.blocks.values())
    repos = {
        one[1].partition("/")[2] for one in (*_LOADED.finditer(said), *_FETCHED.finditer(said))
    }
    made = {_name(found), found.folder.absolute().name, *repos}
    return title if title and markdown(title) == heading and title not in made else None


def said_by_settings(project: Project) -> frozenset[str]:
    """Keys of the front matter whose values somebody has just typed."""
    keys = {
        _LICENSES: ("license", "license_name", "license_link", "license_details"),
        _BASE_SETTINGS: ("base_model", "base_model_relation"),
        _TRIGGERS: ("instance_prompt",),
    }
    return frozenset(
        key for names, said in keys.items() if project.given & {*names} for key in said
    )


def _name(found: Foreign) -> str:
    stem = found.weights.name.removesuffix(".safetensors")
    if found.name == LORA_WEIGHTS or stem in USUAL_STEMS:
        return found.folder.absolute().name.removesuffix(CONVERTED) or "LoRA"
    return stem


def _own_widget(found: Foreign) -> bool:
    return "widget" in found.own.keys


def _drawn(found: Foreign) -> list[Drawn]:
    """Other pictures of it, unless the author's card has a gallery of its own."""
    if _own_widget(found):
        return []
    with Root(found.folder) as root:
        return drawn_in(root, found.trigger)
