"""`review` as a function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hubtools.commands.asked import Note, Progress, ProjectLike, folder_of, project_of, quiet
from hubtools.files import StrPath

if TYPE_CHECKING:
    from hubtools.reviewing.serving import Reviewing


@contextmanager
def review(
    path: StrPath | None = None,
    project: ProjectLike = None,
    *,
    resolution: int | None = None,
    aspect_ratio_buckets: bool | None = None,
    port: int = 0,
    trust_state: bool = False,
    note: Note = quiet,
    on_picture: Progress | None = None,
    **settings: Any,
) -> Iterator[Reviewing]:
    """Serve a page on this machine to look at a folder of pictures and change it, for a `with`: its
    `url` has the token that opens it, `wait()` returns at Ctrl-C. What is changed there is written
    when somebody presses Apply; `undo_fix` takes it back. What was not applied stays for the next
    time. `port` 0 takes any free one."""
    from hubtools.dataset.folder.listing import check_folder
    from hubtools.reviewing.serving import reviewing

    project = project_of(review, project, settings)
    folder, project = folder_of(path, project, change=True, note=note)
    check_folder(folder)
    asked = {"resolution": resolution, "aspect_ratio_buckets": aspect_ratio_buckets}
    said = {("train", key): value for key, value in asked.items() if value is not None}
    if said:
        project = project.with_settings(said)
    with reviewing(
        folder, project, port=port, trust_state=trust_state, on_picture=on_picture
    ) as page:
        yield page
