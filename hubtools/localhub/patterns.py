"""The patterns of `.gitignore` and `.gitattributes`, as far as the Hub reads them.

Rules: https://git-scm.com/docs/gitignore and gitattributes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


def _translate(pattern: str) -> str:
    """A regular expression for a git glob: `*` and `?` stop at `/`, `**` crosses it.

    What follows a star is taken where it fits first (an atomic group): what comes later has only
    more room there. So time grows with the length of pattern and path, not with their product's
    powers.

    git compares what stands before the first wildcard by itself, and begins anew behind it: `a**/b`
    is `a` and then `**/b`. More than two stars are two.
    """
    known = re.match(r"[^*?\[\\]*", pattern)
    begin = known[0] if known else ""
    groups: list[list[str]] = [[]]
    parts = pattern.removeprefix(begin).split("/")
    for number, part in enumerate(parts):
        crosses = len(part) > 1 and not part.strip("*")
        if crosses and number < len(parts) - 1:
            groups.append([])
        else:
            groups[-1].append(".*" if crosses else _segment(part))
    out = []
    for number, group in enumerate(groups):
        # behind a beginning that ends within a name, the rest of that name may be empty
        folder = "[^/]*/" if number == 1 and not begin.endswith("/") else "[^/]+/"
        last = number == len(groups) - 1
        body = "/".join(group) + ("" if last or not group else "/")
        if number == 0:
            out.append(body)
        elif last:
            out.append(f"(?:{folder})*{body}")
        elif group:
            out.append(f"(?>(?:{folder})*?{body})")
    return re.escape(begin) + "".join(out)


def _segment(part: str) -> str:
    """A name between two slashes."""
    chunks: list[list[str]] = [[]]
    i = 0
    while i < len(part):
        end = part.find("]", i + 2) if part[i] == "[" else -1
        if part[i] == "*":
            if chunks[-1] or i == 0 or part[i - 1] != "*":
                chunks.append([])
            i += 1
        elif part[i] == "?":
            chunks[-1].append("[^/]")
            i += 1
        elif end >= 0:
            inside = part[i + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            inside = f"^{inside[1:]}" if inside.startswith("!") else inside
            chunks[-1].append(f"(?!/)[{inside}]")
            i = end + 1
        elif part[i] == "\\" and i + 1 < len(part):
            chunks[-1].append(re.escape(part[i + 1]))
            i += 2
        else:
            chunks[-1].append(re.escape(part[i]))
            i += 1
    first, *stars = ("".join(chunk) for chunk in chunks)
    if not stars:
        return first
    middle = "".join(f"(?>[^/]*?{chunk})" for chunk in stars[:-1] if chunk)
    return f"{first}{middle}[^/]*{stars[-1]}"


@lru_cache(maxsize=4096)
def _compile(pattern: str) -> re.Pattern[str] | None:
    """`pattern` against a whole path; one without a slash matches at any depth."""
    anchored = "/" in pattern
    try:
        body = _translate(pattern.removeprefix("/"))
        return re.compile((body if anchored else f"(?:.*/)?{body}") + r"\Z", re.DOTALL)
    except re.error:
        return None  # git, too, ignores a range it cannot make sense of


@dataclass(frozen=True)
class _Rule:
    matcher: re.Pattern[str]
    negated: bool
    folders_only: bool


class IgnoreRules:
    """A `.gitignore` at the root of a repository."""

    def __init__(self, text: str) -> None:
        self._rules: list[_Rule] = []
        for raw in text.splitlines():
            line = raw.rstrip("\r")
            # Trailing spaces do not count unless escaped.
            while line.endswith(" ") and not line.endswith("\\ "):
                line = line[:-1]
            if not line or line.startswith("#"):
                continue
            negated = line.startswith("!")
            line = line.removeprefix("!")
            folders_only = line.endswith("/")
            matcher = _compile(line.rstrip("/")) if line.strip("/") else None
            if matcher is not None:
                self._rules.append(_Rule(matcher, negated, folders_only))

    def ignores(self, path: str) -> bool:
        """True if git would not add the file `path` (relative, `/`-separated)."""
        parts = path.split("/")
        # A file below an ignored folder cannot be brought back by a later `!` rule.
        return any(
            self._verdict("/".join(parts[:depth]), folder=depth < len(parts))
            for depth in range(1, len(parts) + 1)
        )

    def _verdict(self, path: str, *, folder: bool) -> bool:
        ignored = False
        for rule in self._rules:
            if (folder or not rule.folders_only) and rule.matcher.match(path):
                ignored = not rule.negated
        return ignored


class LfsRules:
    """Which files a `.gitattributes` hands to Git LFS."""

    def __init__(self, text: str) -> None:
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        for raw in text.splitlines():
            words = raw.split()
            if len(words) < 2 or words[0].startswith("#"):
                continue
            filters = [word for word in words[1:] if re.fullmatch(r"[-!]?filter(=.*)?", word)]
            matcher = _compile(words[0])
            if filters and matcher is not None:
                self._rules.append((matcher, filters[-1] == "filter=lfs"))

    def tracks(self, path: str) -> bool | None:
        """True: LFS; False: explicitly not; None: the file does not say."""
        verdict: bool | None = None
        for matcher, lfs in self._rules:
            if matcher.match(path):
                verdict = lfs
        return verdict


# What a new repository's .gitattributes hands to Git LFS, as on the Hub: formats of weights,
# archives and arrays; for datasets pictures, sound and film as well.
_ALWAYS_WORDS = (
    "7z arrow bin bz2 ckpt ftz gz h5 joblib lfs.* mlmodel model msgpack npy npz onnx ot parquet pb "
    "pickle pkl pt pth rar safetensors tar tflite tgz wasm xz zip zst"
)
_ALWAYS = _ALWAYS_WORDS.split()
_DATASETS_WORDS = "lz4 mds pcm sam raw aac flac mp3 ogg wav bmp gif png tiff jpg jpeg webp mp4 webm"
_DATASETS = _DATASETS_WORDS.split()


def default_gitattributes(kind: str) -> str:
    """The first `.gitattributes` of a repository of `kind`."""
    globs = [f"*.{suffix}" for suffix in _ALWAYS]
    globs += ["*.tar.*", "*tfevents*", "saved_model/**/*"]
    if kind == "dataset":
        globs += [f"*.{suffix}" for suffix in _DATASETS]
    return "".join(f"{glob} filter=lfs diff=lfs merge=lfs -text\n" for glob in sorted(globs))
