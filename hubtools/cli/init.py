"""`hubtools init`."""

from __future__ import annotations

import os
import sys
import typing
from pathlib import Path
from shlex import quote
from typing import cast

import click

from hubtools.cli.output import Output, output_options
from hubtools.cli.sentences import say_error
from hubtools.dataset.text.trigger import one_for_all
from hubtools.errors import UsageError
from hubtools.findings import plural
from hubtools.layout import PROJECT_FILE
from hubtools.project import load_project
from hubtools.setting_types import Rights

RIGHTS: tuple[str, ...] = typing.get_args(Rights)


@click.command("init")
@click.argument("folder", metavar="DIR", required=False, type=click.Path(path_type=Path))
@click.option("--example", is_flag=True, help="Use the built-in example pictures.")
@click.option(
    "--from", "source", type=click.Path(path_type=Path, exists=True),
    help="Folder of pictures to copy, with captions from its metadata or .txt files; or the project"
    " folder or settings file of another trainer: sd-scripts, musubi-tuner (.toml, .json),"
    " ai-toolkit (.yaml), OneTrainer, SimpleTuner, EveryDream (.json).",
)  # fmt: skip
@click.option(
    "--pictures", type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of pictures to copy, where --from is a settings file.",
)  # fmt: skip
@click.option(
    "--base-model",
    help="Base model to train on: Hub id, folder, file, or tiny-people, which comes with hubtools.",
)
@click.option("--dataset-repo", metavar="OWNER/NAME", help="Dataset repository on the Hub.")
@click.option("--model-repo", metavar="OWNER/NAME", help="Model repository on the Hub.")
@click.option("--trigger", help="Token that stands for the subject in every caption.")
@click.option("--license", "license_id", help="Licence id of the pictures, e.g. cc-by-4.0.")
@click.option("--rights", type=click.Choice(RIGHTS), help="Why you may use the pictures.")
@click.option(
    "--force",
    is_flag=True,
    help="Replace existing files; they are kept in .hubtools/replaced.",
)
@output_options()
def command(
    folder: Path | None,
    example: bool,
    source: Path | None,
    pictures: Path | None,
    base_model: str | None,
    dataset_repo: str | None,
    model_repo: str | None,
    trigger: str | None,
    license_id: str | None,
    rights: str | None,
    force: bool,
    out: Output,
) -> None:
    """Make a project folder: hubtools.toml, a dataset, .gitignore.

    Pictures that lie in DIR already become its dataset; without any, and neither --from nor
    --example, it is empty. Where DIR itself is the dataset, runs go to .hubtools/runs, which no
    loader reads. In a terminal it asks for licence and rights of the pictures where they are not
    given; Enter leaves them for later.
    """
    from hubtools.commands.journeys import init

    if folder is None:
        raise UsageError(
            "It is not said where the project shall be.",
            hint="`hubtools init . --from FOLDER` makes it here, of pictures that it copies;"
            " `hubtools init .` of those that lie here; `hubtools init . --example` of an example",
        )
    pictures_there = source is not None or (folder.is_dir() and any(folder.iterdir()))
    refused = (folder / PROJECT_FILE).exists() and not force
    if pictures_there and not example and not refused and out.human:
        license_id, rights = _asked(license_id, rights)
    made = init(
        folder,
        example=example,
        source=source,
        pictures=pictures,
        base_model=base_model,
        dataset_repo=dataset_repo,
        model_repo=model_repo,
        trigger=trigger,
        license=license_id,
        rights=cast("Rights | None", rights),
        force=force,
    )
    pictures_said = plural(made.pictures, "picture")
    said = {
        "example": f"the built-in example, {pictures_said}",
        "folder": f"{pictures_said} copied from {pictures or source}",
        "here": f"the {made.pictures} pictures that were there",
        "empty": "no pictures yet",
    }.get(
        made.source,
        f"{pictures_said} to learn copied from the {made.source} project {pictures or source}",
    )
    if made.classes:
        said += f", and {plural(made.classes, 'picture')} of the class"
    out.result(f"Project in {folder}: {said}", project=str(folder), pictures=made.pictures)
    for one in made.left:
        out.note(one)
    project = load_project(folder)
    if license_id and project.dataset.license != license_id:
        out.note(f"The licence is {project.dataset.license}, as the Hub spells it.")
    at, place = quote(str(folder)), quote(str(folder / project.dataset.path))
    if made.without_caption:
        count = len(made.without_caption)
        out.warn(
            f"{plural(count, 'picture')} without a caption: `hubtools review {place}` is a page to"
            f" write them on, `hubtools caption {place} --model MODEL` has a model write them,"
            f" `hubtools caption {place} --template {quote(one_for_all(project.dataset))}`"
            " writes one for all."
        )
    if made.source == "empty":
        out.hint(
            f"put pictures into {place}, or copy them: hubtools init {at} --from FOLDER --force"
        )
        out.hint(f"a look around first? hubtools init {at} --example --force")
    else:
        out.hint(f"next: hubtools validate {at}")


def _asked(license_id: str | None, rights: str | None) -> tuple[str | None, str | None]:
    """Licence and rights, of which those that are not given are asked for where somebody sits at a
    terminal: both questions may be left open."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or os.environ.get("CI"):
        return license_id, rights
    from hubtools.commands.journeys import checked_license

    while license_id is None:
        said = _answer("Licence of the pictures, e.g. cc-by-4.0")
        if not said:
            break
        try:
            license_id = checked_license(said)
        except UsageError as error:
            say_error(error.message, error.hint)
    while rights is None:
        said = _answer(f"Why may you use the pictures?\n{', '.join(RIGHTS)}")
        if not said:
            break
        if said in RIGHTS:
            rights = said
    return license_id, rights


def _answer(question: str) -> str:
    asked = f"{question} (Enter: decide later)"
    return str(click.prompt(asked, default="", show_default=False, err=True)).strip()
