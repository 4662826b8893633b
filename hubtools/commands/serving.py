"""`hub serve` and `preview` as functions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubtools.commands.asked import ProjectLike, project_of, takes
from hubtools.commands.releasing import Kind, folders_of
from hubtools.errors import UsageError
from hubtools.files import StrPath
from hubtools.journey.outlook import Judgement
from hubtools.journey.preview import Preview
from hubtools.journey.preview import preview as preview_pages
from hubtools.localhub.serve import Running
from hubtools.localhub.serve import serve as serve_hub
from hubtools.publish.options import PushOptions


@takes(serve_hub, but=("outlook",))
@contextmanager
def serve(root: Path, **asked: Any) -> Iterator[Running]:
    """A running embedded Hub, whose pages show what checks say of its repositories: `.hub` has its
    address and token. `mounts` such as `models/me/base=./base`; the other arguments are those of
    `hubtools hub serve`. Raises `HubtoolsError` if its port or folder is taken."""
    with serve_hub(root, outlook=Judgement(), **asked) as running:
        yield running


@contextmanager
def preview(
    folder: StrPath | None = None,
    repo: str | None = None,
    project: ProjectLike = None,
    *,
    type: Kind = "auto",
    port: int = 0,
    **settings: Any,
) -> Iterator[Preview]:
    """Serve the pages that a run folder or a dataset folder (default: those of the project) would
    have on the Hub, with what the checks find, on this machine alone: `.url` is their address,
    with the key that it takes to see them. They follow the folder; nothing is written or published.
    `repo`: the name it is to have. Raises `HubtoolsError` if there is no such folder."""
    project = project_of(preview, project, settings)
    named = None if folder is None else Path(folder)
    project, found = folders_of(named, project, type, looks=True)
    if repo is not None and len(found) > 1:
        raise UsageError(
            "There are a dataset and a LoRA here, and one name.",
            hint="give the folder, or --type dataset or --type model",
        )
    places = [(place, kind, PushOptions.of(project, kind)) for place, kind in found]
    with preview_pages(places, project, repo=repo, port=port) as served:
        yield served
