"""Where the files lie that settings of others name."""

from __future__ import annotations

from pathlib import Path

_PARTS = 64  # of a path; each end of it is looked for


def place_of(home: Path, name: str) -> Path | None:
    """The file or folder that settings call `name`, if it lies in `home` or below; None if not:
    what others wrote is not believed where it leads elsewhere, nor to what is hidden. Of a path of
    another machine its end is looked for (`datasets/dog` of `/workspace/datasets/dog`)."""
    try:
        root = home.resolve()
        path = Path(name.replace("\\", "/"))
        if len(path.parts) > _PARTS:
            return None
        parts = [part for part in path.parts if part not in (".", path.anchor)]
        tails = [Path(*parts[start:]) for start in range(len(parts))] or [Path()]
        places = [home / path] if not path.is_absolute() else [path]
        for place in (*places, *(home / tail for tail in tails)):
            found = place.resolve()
            if found.is_relative_to(root) and found.exists():
                hidden = any(part.startswith(".") for part in found.relative_to(root).parts)
                return None if hidden else found
    except (OSError, ValueError, RuntimeError):  # no name that a file can have
        return None
    return None
