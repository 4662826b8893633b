"""What to type next: commands that work as they stand, where the last one was typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hubtools.cardlinks import loaded_from_here
from hubtools.cli.output import TYPED, Output
from hubtools.errors import HubtoolsError
from hubtools.findings import Severity, plural
from hubtools.nearest import beside
from hubtools.whereabouts import from_here

if TYPE_CHECKING:
    from hubtools.findings import Report
    from hubtools.project import Project

BASE = "OWNER/NAME"  # stands for a base that nobody has chosen yet


def tell_again(out: Output, without: str = "--dry-run") -> None:
    """The command as it was typed, to be done now and not only shown."""
    typed = click.get_current_context().meta.get(TYPED)
    if typed and out.human:
        out.hint(f"next: hubtools {shlex.join(word for word in typed if word != without)}")


WORTH_HALVING = 10_000_000  # bytes


def tell_half_size(out: Output, folder: Path, size: int) -> None:
    """What halves the LoRA in `folder`, whose numbers take 32 bits, of `size` bytes."""
    from hubtools.files import human_bytes
    from hubtools.whereabouts import from_here

    out.hint(
        f"the LoRA can be half as large ({human_bytes(size // 2)}):"
        f" `hubtools prune {shlex.quote(from_here(folder))} --dtype fp16` shows what that changes"
    )


def is_typed(option: str) -> bool:
    """Whether the command line has it, spelt like this."""
    words = click.get_current_context().meta.get(TYPED) or ()
    return any(word.partition("=")[0] == option for word in words)


def project_words(project: Project) -> str:
    """What makes a command typed here mean this project, behind a space."""
    from hubtools.project_file import option_for

    return option_for(project.file)


def dataset_option(option: click.Parameter) -> str | None:
    """How every command of a dataset spells an option, if it stands for a setting of [dataset]."""
    section, _, key = str(option.name).removeprefix("setting__").partition("__")
    if section != "dataset" or not key:
        return None
    whole = f"--dataset-{key.replace('_', '-')}"
    return whole if whole in option.opts else option.opts[0]


def dataset_words(project: Project | None = None) -> str:
    """The settings of [dataset] that were typed, as every command of a dataset takes them, behind a
    space; with the path of the pictures where those of `project` are used only if one says so."""
    context = click.get_current_context()
    words: list[str] = []
    for option in context.command.params:
        name, value = dataset_option(option), context.params.get(str(option.name))
        if name is None or value is None or value == ():
            continue
        if isinstance(value, bool):
            words.append(name if value else option.secondary_opts[0])
        else:
            for one in value if isinstance(value, tuple) else (value,):
                words += [name, str(one)]
    if project is not None and project.leads_out:
        words += ["--path", from_here(project.dataset_dir.resolve())]
    return "".join(f" {shlex.quote(word)}" for word in words)


def base_words(project: Project, known: str | None = None) -> str:
    """What makes a command draw on, or train, the base that counts here, behind a space. `known`:
    the one that a LoRA names."""
    if "train.pretrained_model_name_or_path" in project.given:
        return f" --base-model {shlex.quote(str(project.train.pretrained_model_name_or_path))}"
    return "" if project.base or known else f" --base-model {BASE}"


def tell_base(out: Output, words: str) -> None:
    """What the blank in `words` may be filled with, if there is one."""
    if BASE in words:
        from hubtools.models.registry import EXAMPLE_BASE, TRY_OFFLINE

        out.hint(f"{BASE}: a base model, such as {EXAMPLE_BASE}; {TRY_OFFLINE}")


def tell_training(out: Output, project: Project, pictures: int) -> None:
    """What comes once so many pictures are well: a plan of training, or what the run that is there
    waits for."""
    from hubtools.layout import LORA_WEIGHTS, RUN_MANIFEST

    run, where = project.run_dir, project_words(project)
    settings = dataset_words(project)
    if not (run / RUN_MANIFEST).is_file():
        words = f"next: hubtools train{where}{settings} --dry-run{base_words(project)}"
        out.hint(words)
        tell_base(out, words)
        return
    from hubtools.manifest import RunManifest

    try:
        manifest = RunManifest.read(run)
    except HubtoolsError:
        return  # what reads it says what is wrong
    anew = f"hubtools train{where}{settings} --no-resume --dry-run{base_words(project)}"
    place = project.train.output_dir
    data, took = manifest.dataset, project.train
    seen = data.images + data.held_out
    of_all = not (project.dataset.other_folders or took.max_train_samples)
    if (run / LORA_WEIGHTS).is_file() and of_all and pictures > seen:
        out.hint(
            f"the run in {place} has seen {seen:,} of {plural(pictures, 'picture')}; `{anew}` plans"
            " another, and keeps this one"
        )
        out.hint(f"next: {anew}")
    elif (run / LORA_WEIGHTS).is_file():
        out.hint(f"the run in {place} is finished; `{anew}` plans another, and keeps this one")
        out.hint(f"next: hubtools generate{where}{base_words(project, manifest.base_model.named)}")
    else:
        out.hint(
            f"the run in {place} has done {manifest.steps_done:,} of {manifest.steps:,} steps; the"
            " command that began it goes on with it"
        )
        out.hint(f"next: {anew}")
    tell_base(out, anew)


def push_words(folder: Path, kind: str, project: Project) -> str:
    """The command that sends a folder with its card to the Hub, from here."""
    from hubtools.commands.releasing import repository_of

    repo = repository_of(folder, kind, project)
    what = " --type dataset" if kind == "dataset" else ""
    return f"hubtools push {_shown(folder)} {repo or 'OWNER/NAME'}{what}"


def _shown(folder: Path) -> str:
    return shlex.quote(from_here(folder))


def tell_push(out: Output, folder: Path, kind: str, project: Project, card: str = "") -> None:
    """How a folder with its `card` is sent to the Hub; before, how a LoRA's code that loads from
    the folder gets the name of the repository."""
    if kind == "model" and loaded_from_here(card) is not None:
        repo = project.model.repo or "OWNER/NAME"
        out.hint("the card's code loads from '.', where nobody but you has the LoRA")
        out.hint(f"next: hubtools card {_shown(folder)} --repo {repo}")
        return
    out.hint(f"next: {push_words(folder, kind, project)} --dry-run")


def repairing(report: Report) -> str | None:
    """The command that the first error names as its fix; that of another finding, where the fix
    says that this one comes first. None if a person has to do it."""
    fixes = {one.rule: one.fix or "" for one in reversed(report.sorted())}
    for one in report.sorted():
        if one.severity is not Severity.ERROR:
            break
        fix = one.fix or ""
        for rule in re.findall(r"first \(([A-Z]\d{3})\)", fix):
            fix = fixes.get(rule, fix)
        if found := re.search(r"`(hubtools [^`]+)`", fix):
            return found[1]
    return None


def tell_private(out: Output, repos: Sequence[tuple[str, str]]) -> None:
    """What shows repositories (each with its kind) to everybody that are there for oneself alone. A
    Hub of this machine, as that of a rehearsal is, shows nothing to anybody else."""
    from hubtools.addresses import is_here
    from hubtools.hub.client import endpoint
    from hubtools.publish.comparison import settings_command

    if repos and not is_here(endpoint()):
        out.hint(
            "private, as push.private says. "
            + " and ".join(settings_command(repo, kind, "public") for repo, kind in repos)
            + (" show them" if len(repos) > 1 else " shows it")
            + " to everybody; with private = false below [push] in hubtools.toml it stays so"
        )


def tell_repo(out: Output, project: Project, folder: Path, repo: str, kind: str) -> None:
    """Where a project's pictures or its run were pushed to a repository that its settings do not
    name: with it there, its cards name it as well."""
    if project.file is None:
        return
    for section, own, named in (
        ("dataset", project.dataset_dir, project.dataset.repo),
        ("model", project.run_dir, project.model.repo),
    ):
        if kind == section and named is None and folder.resolve() == own.resolve():
            out.hint(
                f'repo = "{repo}" below [{section}] in {project.file.name}: then `hubtools card`'
                " names it on the cards, and `hubtools push` needs no name"
            )


def without_project(error: HubtoolsError, project: Project) -> HubtoolsError:
    """The same error, which says what to type where a folder is missing that nobody has named: that
    of a project that is not there, or of a run that nobody has begun."""
    given = project.given
    run, pictures = project.run_dir, project.dataset_dir
    if "train.output_dir" not in given and error.missing == str(run):
        error.hint = (
            f"nothing is trained here yet: `hubtools train{project_words(project)}"
            f"{base_words(project)}` makes it; or name another"
        )
    elif "dataset.path" not in given and error.missing == str(pictures):
        near = beside(pictures)
        error.hint = f"did you mean {near}? Else " if near is not None else ""
        error.hint += "put the pictures there, or name another folder"
    elif project.file is not None or not (
        error.code == "no-project" or (error.code == "no-base" and not pictures.exists())
    ):
        return error
    if project.file is None:
        error.hint = (
            "there is no project here (no hubtools.toml): `hubtools init NAME --from PICTURES`"
            " makes one; or name the folder (`.` is this one)"
        )
    return error
