"""Which component of a base model an error of the libraries came from.

What `configs.check_configs` does not foresee, a base may still have wrong: the libraries then fail
in the middle of a component, and a user wants to know of which files.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType
from typing import Any

from hubtools.errors import HubtoolsError, first_line

_LIBRARIES = ("diffusers.", "transformers.")


def component_of(error: BaseException) -> str | None:
    """The component of a pipeline in which `error` was raised, such as `vae`; None if it was raised
    outside of any."""
    frames = list(_frames(error))
    names: dict[int, str] = {}
    for frame in frames:
        for owner in _owners(frame):
            names |= {id(part): name for name, part in owner.items() if part is not None}
    for frame in reversed(frames):
        values = frame.f_locals
        found = names.get(id(values.get("self")))
        if found is None and frame.f_code.co_name == "load_sub_model":  # diffusers, opening one
            found = values.get("name")
        if isinstance(found, str):
            return found
    return None


def of_base(error: BaseException) -> HubtoolsError | None:
    """The sentence for an error inside a component of a base; None for any other error."""
    component = component_of(error)
    if component is None:
        return None
    return HubtoolsError(
        f"The {component} of the base model could not be used: {first_line(error)}",
        hint=f"the files in its folder {component} do not fit the rest of the base; fetch them"
        " again, or correct their configuration (HUBTOOLS_DEBUG=1 shows where it failed)",
        code="file-damaged",
    )


def _frames(error: BaseException) -> Iterator[FrameType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _owners(frame: FrameType) -> Iterator[dict[str, Any]]:
    """The components of pipelines that the frame works with: its own, its model's or its
    session's."""
    for value in list(frame.f_locals.values()):
        for one in (value, _fields(value).get("pipeline")):
            if type(one).__module__.startswith(_LIBRARIES):
                owned = getattr(one, "components", None)
                if isinstance(owned, dict):
                    yield owned


def _fields(value: Any) -> dict[str, Any]:
    """Attributes of an object; none of what refuses to be looked at, as the libraries' stand-ins
    for classes do whose packages are missing."""
    try:
        return dict(vars(value))
    except Exception:
        return {}
