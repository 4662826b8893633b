"""What stops `ship`, found before it begins: the same for doing it and for its --dry-run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial

from hubtools.cards.license import model_license
from hubtools.cards.merge import NOTHING_SAID, own_words
from hubtools.dataset.validate import validate_project, validate_words
from hubtools.errors import UsageError
from hubtools.hub.client import check_access
from hubtools.hub.errors import as_sentence
from hubtools.inference.project_base import name_of_base, project_base
from hubtools.journey.steps import NOT_PASSED, chosen_files, refuse_errors
from hubtools.journey.travel import Journey
from hubtools.layout import RUN_MANIFEST
from hubtools.licensing.resolve import base_facts
from hubtools.lorafile.provenance import base_of_card
from hubtools.manifest import DatasetFacts, RunManifest
from hubtools.models.base import Base
from hubtools.progress import silent
from hubtools.project import Project
from hubtools.rooted import Root
from hubtools.training.train import train
from hubtools.whereabouts import from_here

Check = Callable[[], object]


def at_once(project: Project, names: Collection[str]) -> Iterator[tuple[str, Check]]:
    """(step, what raises if it cannot be done), quick: what would else fail after hours of
    training. Raises `HubtoolsError`, or what the client of the Hub does."""
    chosen = set(names)
    here = project.file is not None or project.dataset_dir.exists()
    if names and not here and "validate" in chosen:
        yield "validate", lambda: _nothing_here(project)
        return
    if project.dataset_dir.is_dir():
        for name in ("dataset-card", "push-dataset"):
            if name in chosen:
                yield name, lambda: project.dataset_to_change
    for name in names:
        if name not in ("validate", "dataset-card", "push-dataset"):
            yield name, lambda: project.run_to_change
    if "train" in chosen:
        yield "train", lambda: project.run_to_train
        yield "train", lambda: _base_is_set(project)
    if "card" in chosen:
        yield "card", lambda: _licence_is_known(project, "train" in chosen)
    if "push" in chosen:
        yield "push", lambda: _repository_is_set(project)
    for name, repo, kind in (
        ("push-dataset", project.dataset.repo, "dataset"),
        ("push", project.model.repo, "model"),
    ):
        if name in chosen and repo:
            yield name, partial(check_access, repo, kind, pr=project.push.pr)


def _nothing_here(project: Project) -> None:
    place = from_here(project.root)
    where = "here" if place == "." else f"in {place}"
    raise UsageError(
        f"There is no project {where}: no hubtools.toml, and no {project.dataset.path}.",
        hint="`hubtools init . --example` or `hubtools init . --from FOLDER` makes one",
        code="file-not-found",
    )


def _base_is_set(project: Project) -> None:
    name_of_base(project)


def _repository_is_set(project: Project) -> None:
    if not project.model.repo:
        raise UsageError(
            "No repository is set for the model.",
            hint='set model.repo = "owner/name" in hubtools.toml, give --model-repo OWNER/NAME, or'
            " stop with --until prune",
            code="bad-setting",
        )


def _licence_is_known(project: Project, trains: bool) -> None:
    """The card asks for it once the run is done."""
    name = project.train.pretrained_model_name_or_path
    if (project.run_dir / RUN_MANIFEST).is_file():
        manifest = RunManifest.read(project.run_dir)
    elif trains and name:
        try:
            base = project_base(project, name)
        except Exception as error:
            if as_sentence(error) is None:
                raise
            return  # the training says it
        manifest = _begun(project, base)
    else:
        return  # another step says what is missing
    own = NOTHING_SAID
    if project.run_dir.is_dir():
        with Root(project.run_dir) as root:
            own = own_words(root)
    id = manifest.base_model.id or project.train.base_model_repo
    model_license(manifest, project, id or base_of_card(own.data), own)


def _begun(project: Project, base: Base) -> RunManifest:
    """A run on this base, as far as its licence asks."""
    return RunManifest(
        name=project.run_dir.name, status="running", started="", base_model=base_facts(base),
        dataset=DatasetFacts(fingerprint="", images=0, caption_column=""), train={}, steps=0,
        epochs=0, seed=0,
    )  # fmt: skip


def _pictures_pass(project: Project) -> None:
    refuse_errors(
        validate_project(project),
        NOT_PASSED,
        f"{validate_words(project, project.dataset_dir)} tells them, and what mends them",
    )


def at_its_turn(journey: Journey, name: str, validated: bool) -> Check | None:
    """What raises, and changes nothing, if a step that is about to run would refuse; None for one
    that is only known when it runs. `validated`: the pictures are known to pass."""
    project = journey.project
    if name == "validate":
        return lambda: _pictures_pass(project)
    if name == "train":
        return lambda: train(
            project,
            reporter=silent(),
            dry_run=True,
            skip_validation=validated,
            trust_state=journey.trust_state,
        )
    if name == "prune" and project.run_dir.is_dir():
        return lambda: chosen_files(project)
    return None
