"""`init`, `ship`, `rehearse`, `demo`, `doctor`, `explain` and `schema` as functions."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hubtools.commands.asked import Note, ProjectLike, project_of, quiet, with_owners
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath
from hubtools.findings import Rule
from hubtools.progress import Steps, silent, unasked
from hubtools.project import Project, load_project
from hubtools.setting_types import Rights
from hubtools.settings import SECTIONS, aliases_of

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from hubtools.journey.doctor import Fact
    from hubtools.journey.init import Made
    from hubtools.journey.rehearse import Rehearsal
    from hubtools.journey.ship import JourneyReporter, ShipResult


def checked_license(text: str) -> str:
    """The id of a licence of the Hub's list, however its letters are written. Raises `UsageError`
    for what is none."""
    from hubtools.cardschema import license_id
    from hubtools.licensing.ids import suggest

    found = license_id(text)
    if found is None:
        near = suggest(text)
        raise UsageError(
            f"The Hub knows no licence {text!r}.",
            hint=f"did you mean {near}?" if near else "give an id of its list, e.g. cc-by-4.0",
        )
    return found


def init(
    folder: StrPath,
    *,
    example: bool = False,
    source: StrPath | None = None,
    pictures: StrPath | None = None,
    base_model: str | None = None,
    dataset_repo: str | None = None,
    model_repo: str | None = None,
    trigger: str | None = None,
    license: str | None = None,
    rights: Rights | None = None,
    force: bool = False,
) -> Made:
    """Make a project folder: hubtools.toml, a dataset, .gitignore. `source` (--from) is a folder of
    pictures to copy, or a settings file of sd-scripts or ai-toolkit, whose settings are taken over;
    `pictures` then is the folder, unless the file names one beside it. `license` (an id of the
    Hub's list) and `rights` are those of the pictures. Raises `UsageError` for an unknown one, and
    for a `base_model` that can be none."""
    from hubtools.journey.init import init as run
    from hubtools.models.base import check_name
    from hubtools.tinypeople import bundled

    if license is not None:
        license = checked_license(license)
    if base_model is not None and bundled(base_model) is None and "/" not in base_model:
        check_name(base_model)  # others may be folders as seen from the project

    repos = with_owners({("dataset", "repo"): dataset_repo, ("model", "repo"): model_repo})
    given = {
        "dataset": {
            "repo": repos["dataset", "repo"],
            "trigger": trigger,
            "license": license,
            "rights": rights,
        },
        "train": {"pretrained_model_name_or_path": base_model},
        "model": {"repo": repos["model", "repo"]},
    }
    settings = {
        section: {key: value for key, value in content.items() if value is not None}
        for section, content in given.items()
    }
    return run(
        folder,
        example=example,
        source=None if source is None else Path(source),
        pictures=None if pictures is None else Path(pictures),
        settings=settings,
        force=force,
    )


def ship(
    project: ProjectLike = None,
    *,
    first: str | None = None,
    until: str | None = None,
    public: bool = False,
    trust_state: bool = False,
    narrator: JourneyReporter | None = None,
    **settings: Any,
) -> ShipResult:
    """Do all of it in order, from `first` (--from) to `until`; skips what is done."""
    from hubtools.journey.ship import ship as run

    project = _public(project_of(ship, project, settings), public)
    return run(
        project, narrator or Steps(unasked()), first=first, last=until, trust_state=trust_state
    )


def forecast(
    project: ProjectLike = None,
    *,
    first: str | None = None,
    until: str | None = None,
    public: bool = False,
    narrator: JourneyReporter | None = None,
    on_refusal: Callable[[HubtoolsError], None] = lambda error: None,
    **settings: Any,
) -> list[tuple[str, str, str]]:
    """(step, `run`, `skip`, `refuse` or `not reached`, why) of `ship`: its --dry-run. `on_refusal`
    is told of all that `ship` would raise."""
    from hubtools.journey.ship import forecast as look

    project = _public(project_of(ship, project, settings), public)
    told = look(project, narrator or Steps(silent()), first, until, on_refusal)
    return [(step.name, verb, why) for step, verb, why in told]


def _public(project: Project, public: bool) -> Project:
    if public:
        project = project.model_copy()
        project.push = project.push.model_copy(update={"private": False})
    return project


def rehearse(
    folder: StrPath | None = None,
    *,
    base_folder: StrPath | None = None,
    chaos: str | None = None,
    chaos_seed: int | None = None,
    trust_state: bool = False,
    note: Note = quiet,
    meanwhile: Callable[[Rehearsal], None] | None = None,
) -> Rehearsal:
    """Ship the project in `folder` to a Hub on this machine, then read everything back.
    `meanwhile(rehearsal)` is called while that Hub still runs. `chaos`: what that Hub fails at on
    purpose while the project is shipped, such as `429:0.1,drop:0.05,412:1`."""
    from hubtools.journey.rehearse import rehearse as run

    base = None if base_folder is None else Path(base_folder)
    project = load_project(folder, required=True)
    trusts = ("--trust-state",) if trust_state else ()
    return run(
        project,
        base_folder=base,
        arguments=trusts,
        chaos=chaos,
        chaos_seed=chaos_seed,
        note=note,
        meanwhile=meanwhile,
    )


def demo(
    dir: StrPath = "hubtools-demo",
    *,
    note: Note = quiet,
    meanwhile: Callable[[Rehearsal], None] | None = None,
) -> Rehearsal:
    """Rehearse on the built-in example, in the project folder `dir`."""
    from hubtools.journey.demo import demo as run

    return run(Path(dir), note=note, meanwhile=meanwhile)


def doctor(*, family: str | None = None) -> list[Fact]:
    """What this machine has, and what each extra would add. `family`: train and draw with a tiny
    base of this family instead, and tell what works."""
    if family is not None:
        from hubtools.journey.selftest import self_test

        return self_test(family)
    from hubtools.journey.doctor import doctor as run

    return run()


_NAMED = 12  # rules that begin with what was typed


def rules() -> dict[str, Rule]:
    """All rules by id, in the order of the ids: `explain --all`."""
    from hubtools.cards.rules import CARD_RULES
    from hubtools.dataset.rules import DATASET_RULES
    from hubtools.publish.comparison import COMPARISON_RULES
    from hubtools.publish.rules import PUBLISH_RULES
    from hubtools.training.rules import TRAIN_RULES

    books = (DATASET_RULES, TRAIN_RULES, CARD_RULES, PUBLISH_RULES, COMPARISON_RULES)
    every = sorted((rule for book in books for rule in book), key=lambda rule: rule.id)
    return {rule.id: rule for rule in every}


def explain(rule: str) -> Rule:
    """What a rule means, and the fix. Raises `UsageError` if none is called so."""
    known = rules()
    found = known.get(rule.upper())
    if found is None:
        begun = [id for id in known if rule and id.startswith(rule.upper())]
        names = {key.upper(): key for model in SECTIONS.values() for key in model.model_fields}
        near = difflib.get_close_matches(rule.upper().replace("-", "_"), [*known, *names], n=1)
        hint = "`hubtools explain --all` lists the rules, `hubtools schema` the settings"
        if near:
            hint = f"did you mean {names.get(near[0], near[0])}?"
        if begun:
            more = f" and {len(begun) - _NAMED} more" if len(begun) > _NAMED else ""
            hint = f"{', '.join(begun[:_NAMED])}{more} begin with it"
        raise UsageError(f"No rule or setting is called {rule!r}.", hint=hint)
    return found


def settings_called(word: str) -> dict[str, FieldInfo]:
    """The settings of this name, by section and key: `rank`, `train.rank` and `--rank` are
    `train.rank`; `seed` is a setting of several sections. Other names of a setting count, too."""
    section, _, key = word.lstrip("-").replace("-", "_").casefold().rpartition(".")
    return {
        f"{name}.{one}": field
        for name, model in SECTIONS.items()
        for one, field in model.model_fields.items()
        if section in ("", name) and key in (one.casefold(), *aliases_of(field))
    }


def schema(what: Literal["settings", "report"] = "settings") -> dict[str, Any]:
    """JSON schema of hubtools.toml, or of a report."""
    if what == "report":
        from hubtools.findings import report_schema

        return report_schema()
    from hubtools.project import schema as of_settings

    return of_settings()
