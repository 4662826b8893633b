"""`card`, `prune` and `push` as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal

from hubtools.commands.asked import (
    TWOFOLD,
    Progress,
    ProjectLike,
    baseline_to_write,
    project_of,
    takes,
)
from hubtools.commands.spaces import plan_space
from hubtools.errors import HubtoolsError, UsageError
from hubtools.files import StrPath
from hubtools.layout import PROJECT_FILE, RUN_MANIFEST, SPACE_DIR
from hubtools.project import Project

if TYPE_CHECKING:
    from hubtools.cards.render import CardResult
    from hubtools.findings import Report
    from hubtools.plans import SavedPlan
    from hubtools.publish.classify import PrunePlan
    from hubtools.publish.push import PushPlan, PushResult
    from hubtools.publish.release import RepoType

Kind = Literal["auto", "model", "dataset"]


@dataclass(frozen=True)
class Card:
    """A card of a folder. `written` is None for one that was only checked, `report` for a draft.
    `of_project`: its folder was not named, but is one of a project's."""

    folder: Path
    kind: Literal["model", "dataset"]
    written: CardResult | None
    report: Report | None
    of_project: bool

    @property
    def ok(self) -> bool:
        """False if the card breaks a rule."""
        return self.report is None or self.report.ok


def card(
    folder: StrPath | None = None,
    project: ProjectLike = None,
    *,
    kind: Kind = "auto",
    template: StrPath | None = None,
    check: bool = False,
    renew: bool = False,
    dry_run: bool = False,
    write_baseline: bool = False,
    one: bool = False,
    on_card: Callable[[Card], None] | None = None,
    **settings: Any,
) -> list[Card]:
    """Write the card of a run folder or a dataset folder, or of both of a project, and check it.

    `check` only checks, `dry_run` only shows what would change. `one`: refuse to do two. `on_card`
    is told of each as it is done. What people wrote into a card stays; with `renew`, what they made
    of the keys and blocks that hubtools wrote is written anew. `write_baseline`: what is found is
    known from now on. Raises `HubtoolsError` if there is no such folder.
    """
    from hubtools.cards.render import write_dataset_card, write_model_card
    from hubtools.cards.rules import check_card
    from hubtools.reporting.baseline import add_to_baseline

    project = project_of(card, project, settings)
    known = baseline_to_write(project) if write_baseline else None
    named = None if folder is None else Path(folder)
    project, todo = folders_of(named, project, kind, check or dry_run)
    if not any(what == "model" for _, what in todo):
        project = _of_dataset(project)
    if one and len(todo) > 1:
        raise UsageError(
            "There is a dataset card and a model card, and one report is of one card.",
            hint="say --kind dataset or --kind model",
        )
    done = []
    for place, what in todo:
        written = report = None
        if not check:
            write = write_model_card if what == "model" else write_dataset_card
            own = None if template is None else Path(template)
            written = write(place, project, template=own, dry_run=dry_run, renew=renew)
        if check or not dry_run:
            report = check_card(place, what, **project.rules_of("C"))
            if known is not None:
                report = add_to_baseline([report], known)[0]
        done.append(Card(place, what, written, report, place != named))
        if on_card is not None:
            on_card(done[-1])
    return done


def _of_dataset(project: Project) -> Project:
    """The project for a dataset's card alone: a repository and a licence that were given are its
    own, as those of a run's card are the LoRA's."""
    given = {
        ("dataset", key): getattr(project.model, key)
        for key in TWOFOLD
        if f"model.{key}" in project.given and f"dataset.{key}" not in project.given
    }
    return project.with_settings(given) if given else project


def folders_of(
    folder: Path | None, project: Project, kind: Kind, looks: bool
) -> tuple[Project, list[tuple[Path, Literal["model", "dataset"]]]]:
    """(project, folders with their kinds) that a FOLDER means: that one, or those of the project in
    it or here. `looks`: they are not to be changed. Raises `HubtoolsError` if there is none."""
    from hubtools.publish.release import kind_of
    from hubtools.runfolders.main_file import holds_lora

    # a run folder has a hubtools.toml as well, the settings it was started with
    is_run = folder is not None and (folder / RUN_MANIFEST).is_file()
    named = folder
    if folder is not None and not is_run and (folder / PROJECT_FILE).is_file():
        project, folder = project.elsewhere(folder), None
    if folder is not None:
        return project, [(folder, kind_of(folder) if kind == "auto" else kind)]
    todo: list[tuple[Path, Literal["model", "dataset"]]] = []
    if kind in ("auto", "dataset") and project.dataset_dir.is_dir():
        todo.append((project.dataset_dir if looks else project.dataset_to_change, "dataset"))
    run = project.run_dir
    if kind in ("auto", "model") and ((run / RUN_MANIFEST).is_file() or holds_lora(run)):
        todo.append((run if looks else project.run_to_change, "model"))
    if not todo and named is not None and kind != "dataset" and holds_lora(named):
        todo.append((named, "model"))  # a LoRA from elsewhere with settings beside it
    if not todo:
        raise HubtoolsError(
            "There is neither a dataset folder nor a run folder here.",
            hint="give the folder",
            code="no-project",
        )
    return project, todo


@dataclass(frozen=True)
class Pruned:
    """What of a run folder is worth publishing, and the trash to which the rest was moved (None:
    nothing was). `done`: a plan from a file had nothing left to do."""

    plan: PrunePlan
    trash: Path | None
    done: bool = False


def prune(
    run_dir: StrPath | None = None,
    project: ProjectLike = None,
    *,
    apply: bool = False,
    plan_file: StrPath | None = None,
    from_plan: StrPath | SavedPlan | None = None,
    trust_state: bool = False,
    **settings: Any,
) -> Pruned:
    """Tell what of a run folder (default: the project's) is worth publishing. `apply` moves the
    rest to a trash, and writes the LoRA in half precision if `dtype` asks for that. `plan_file` is
    --plan: the plan is written there, and nothing is moved. `from_plan`: tell, or with `apply` do,
    what the plan in this file says, or refuse."""
    from hubtools.plans import check_plan_file, state_of
    from hubtools.publish import trash
    from hubtools.publish.classify import classify
    from hubtools.publish.halving import halved
    from hubtools.publish.prune_plan import save_plan
    from hubtools.runfolders.trainers import recognise

    project = project_of(prune, project, settings)
    if plan_file is not None:
        if apply:
            raise UsageError("To write a plan is not to carry it out: leave out apply.")
        check_plan_file(plan_file)
    if from_plan is not None:
        if _given(project) or plan_file is not None:
            raise UsageError("A plan in a file says what to keep: give nothing else beside it.")
        return _saved_prune(from_plan, run_dir, apply, trust_state)
    root = Path(run_dir or (project.run_to_change if apply else project.run_dir))
    recognise(root)
    file = None if plan_file is None else Path(plan_file)
    # before they are classified: what changes meanwhile is then told apart
    state = {} if file is None else state_of(root, file, git=True)
    options = project.published
    plan = classify(root, **options)
    if (dtype := project.prune.dtype) is not None:
        plan = halved(plan, dtype)
    if file is not None:
        save_plan(plan, file, state, options | {"dtype": dtype})
    return Pruned(plan, trash.apply(plan) if apply else None)


def _given(project: Project) -> bool:
    """Whether anybody said what to keep and to drop; a file of settings does not count."""
    return any(name.startswith(("prune.", "model.adapters")) for name in project.given)


def _saved_prune(
    file: StrPath | SavedPlan, run_dir: StrPath | None, apply: bool, trust_state: bool
) -> Pruned:
    """What a plan in a file says, on the folder as it was when the plan was made."""
    from hubtools.plans import read_plan
    from hubtools.publish import trash
    from hubtools.publish.prune_plan import load_plan, would
    from hubtools.runfolders.trainers import recognise

    saved = read_plan(file, "prune")
    if apply:
        saved.check_own(trust_state, would(saved))
    root = saved.folder(run_dir)
    recognise(root)
    replay = load_plan(root, saved)
    moved = trash.apply(replay.plan) if apply and not replay.done else None
    return Pruned(replay.plan, moved, replay.done)


def plan_push(
    folder: StrPath | None = None,
    repo: str | None = None,
    project: ProjectLike = None,
    *,
    type: Kind = "auto",
    public: bool = False,
    overwrite: bool = False,
    resolve_links: bool = False,
    message: str | None = None,
    release: str | None = None,
    ignore: Sequence[str] = (),
    plan_file: StrPath | None = None,
    from_plan: StrPath | SavedPlan | None = None,
    trust_state: bool = False,
    write_baseline: bool = False,
    only_shown: bool = False,
    space: bool = False,
    **settings: Any,
) -> PushPlan:
    """What `push` would do; its `report` says whether the P rules object. `release` is a version,
    which becomes the tag of the commit. `write_baseline`: what they find is known from now on, but
    for what guards secrets and the work of others. `only_shown`: it is not for a push, and needs
    neither token nor network; else the code of the card names `repo`. `plan_file`: the plan
    is written there too. `from_plan`: what the plan in this file says, on the folder and the
    repository as they are. `space`: push a demo of the LoRA, which is written into `RUN/space`, as
    a Space (default: called as the LoRA, and `-demo`)."""
    from hubtools.plans import check_plan_file, read_plan
    from hubtools.publish.applied import may_be_known
    from hubtools.publish.options import PushOptions
    from hubtools.publish.plan_file import load_plan, save_plan
    from hubtools.publish.push import plan_push as make
    from hubtools.reporting.baseline import add_to_baseline

    project = project_of(push, project, settings)
    if plan_file is not None:
        check_plan_file(plan_file)
    if from_plan is not None:
        said = (public, overwrite, resolve_links, message, release, ignore, plan_file, space)
        if any((*said, write_baseline, _given(project))):
            raise UsageError("A plan in a file says what to push: give nothing else beside it.")
        saved = read_plan(from_plan, "push")
        if repo is not None and repo != saved.subject:
            raise UsageError(
                f"{saved.path} is a plan for {saved.subject}, not for {repo}.",
                hint="leave the name out, or make a new plan with --plan",
            )
        return load_plan(saved, folder, trust_state=trust_state)
    if space and type != "auto":
        raise UsageError("A Space is of its own type: leave --type out.")
    known = baseline_to_write(project) if write_baseline else None
    source, target, repo_type = target_of_push(folder, repo, project, "space" if space else type)
    options = PushOptions.of(
        project,
        repo_type,
        public=public,
        overwrite=overwrite,
        resolve_links=resolve_links,
        message=message,
        # the tag of the file is that of the model, one that was said that of what is pushed
        release=release or (project.push.tag if "push.tag" in project.given else None),
        ignore=tuple(ignore),
    )
    if space:
        made = plan_space(source, target, project, options, trust_state, only_shown)
    else:
        if repo_type != "space" and not only_shown:
            from hubtools.cards.addressed import name_repository

            name_repository(source, target, repo_type)
        made = make(
            source, target, repo_type, options, trust_state=trust_state, only_shown=only_shown
        )
    if known is not None:
        (report,) = add_to_baseline([made.report], known, may_be_known)
        made = replace(made, report=report)
    if plan_file is not None:
        save_plan(made, Path(plan_file))
    return made


def repository_of(folder: Path, kind: str, project: Project) -> str | None:
    """The repository of a model's or a dataset's folder: that of the settings, else the one that
    hubtools' own code on a model's card names. Enough to tell, not to push to: the card may be
    somebody else's."""
    if kind != "model":
        return project.dataset.repo
    if project.model.repo or not folder.is_dir():
        return project.model.repo
    from hubtools.cards.foreign_facts import remembering
    from hubtools.cards.merge import own_words
    from hubtools.rooted import Root

    with Root(folder) as root:
        return remembering(project, own_words(root)).model.repo


def _refuse_a_repository(word: str) -> None:
    """Raise `HubtoolsError` if `word`, given alone as the folder, is OWNER/NAME and no path."""
    owner, slash, name = word.partition("/")
    if slash and name and "/" not in name and not Path(owner).exists():
        raise HubtoolsError(
            f"There is no folder {word}.",
            hint=f"if it is a repository, name the folder before it: hubtools push FOLDER"
            f" {quote(word)}",
            code="file-not-found",
            missing=word,
        )


def target_of_push(
    folder: StrPath | None,
    repo: str | None,
    project: Project,
    type: Kind | Literal["space"],
    *,
    undo: bool = False,
) -> tuple[Path, str, RepoType]:
    """The folder, the repository and its type; of a Space `RUN/space`. To `undo` a push the one
    that the folder was pushed to will do. Raises `UsageError` if no repository is set."""
    from hubtools.cards.space import space_name
    from hubtools.publish.release import kind_of
    from hubtools.publish.undo import pushed_to

    source = Path(folder) if folder is not None else project.run_to_change
    if folder is not None and repo is None and type != "space":
        _refuse_a_repository(str(folder))
    if type == "space":
        repo_type: RepoType = "space"
        source, target = source / SPACE_DIR, repo or space_name(project)
    else:
        repo_type = kind_of(source) if type == "auto" else type
        target = repo or (project.model.repo if repo_type == "model" else project.dataset.repo)
    if target is None and undo and source.is_dir():
        target = pushed_to(source, repo_type)
    if target is None:
        space = repo_type == "space"
        named, key = (source.parent, "model") if space else (source, repo_type)
        flag = (" --space" if space else "") + (" --undo" if undo else "")
        known = repository_of(named, "model", project) if key == "model" else None
        known = f"{known}-demo" if known and space else known
        raise UsageError(
            f"No repository is set for the {repo_type}.",
            hint=f"hubtools push {quote(str(named))} {known or 'OWNER/NAME'}{flag}, or set"
            f" {key}.repo in hubtools.toml",
            code="bad-setting",
        )
    return source, target, repo_type


@takes(plan_push, but=("plan_file", "only_shown"))
def push(
    folder: StrPath | None = None,
    repo: str | None = None,
    project: ProjectLike = None,
    *,
    plan: PushPlan | None = None,
    on_commit: Progress | None = None,
    **asked: Any,
) -> PushResult:
    """Send a run folder or a dataset folder to the Hub: planned, in one commit, verified by
    checksum. `plan`: do what this one says instead of making one; the other arguments are those of
    `plan_push`. Raises `ChecksFailed` if a P rule objects, or somebody else changed what would be
    replaced."""
    from hubtools.plans import read_plan
    from hubtools.publish.plan_file import would
    from hubtools.publish.push import push as run

    if plan is None:
        if (file := asked.get("from_plan")) is not None:
            asked["from_plan"] = saved = read_plan(file, "push")
            saved.check_own(asked.get("trust_state", False), would(saved))
        plan = plan_push(folder, repo, project, **asked)
    return run(plan, on_commit=on_commit or (lambda done, total: None))
