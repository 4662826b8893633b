"""`watch` as a function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.commands.asked import ProjectLike, project_of
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath
from hubtools.layout import PROJECT_FILE, RUN_MANIFEST

if TYPE_CHECKING:
    from hubtools.watching.serving import Watching


@contextmanager
def watch(
    run: StrPath | None = None,
    project: ProjectLike = None,
    *,
    port: int = 0,
    **settings: Any,
) -> Iterator[Watching]:
    """Serve a page on this machine that shows a training as it goes on, for a `with`: its `url` has
    the token that opens it, `wait()` returns at Ctrl-C. `run` is a run folder, which need not be
    there yet, or a project folder (default: the run of the project). `port` 0 takes any free one.
    Nothing is written. Raises `HubtoolsError` if something else than a folder is there."""
    from hubtools.watching.serving import watching

    project = project_of(watch, project, settings)
    folder = project.run_dir
    if run is not None:
        folder = Path(run)
        # a run has a hubtools.toml of its own; a project folder has no run.json
        if not (folder / RUN_MANIFEST).exists() and (folder / PROJECT_FILE).is_file():
            project = project.elsewhere(folder)
            folder = project.run_dir
    if folder.exists() and not folder.is_dir():
        raise HubtoolsError(
            f"{folder} is no folder.",
            hint="give the folder that `hubtools train` writes",
            code="wrong-kind",
        )
    with watching(folder, project.train.price_per_hour, port=port) as page:
        yield page
