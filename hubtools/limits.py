"""How much the Hub takes (hub-docs, storage limits, as of August 2026) and how much is read here.

What is read may come from anybody. Each limit below is far beyond what people write, and keeps
the memory of this process below 600 MB and its time in proportion to the bytes. What is beyond a
limit is left out, and a finding or a sentence says so; docs/limits.md lists them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hubtools.patterns import regex

IN_FOLDER = 10_000  # entries of one folder; a push with more is rejected after the upload
IN_REPO = 100_000  # files; recommended
LARGE_FILE, TOO_LARGE_FILE = 200 * 10**9, 500 * 10**9  # bytes; recommended, refused

# --- what hubtools reads -------------------------------------------------------------------------

LINE = 16_000_000  # bytes of a line of metadata
RECORDS = 150_000  # records of one dataset; the Hub recommends 100,000 files
RECORD_COST = 128_000_000  # bytes that the records of one dataset take in memory, estimated
COLUMNS = 2_000  # columns of a metadata file
DEPTH = 100  # levels of lists and objects in each other
CAPTION = 100_000  # characters of a caption that rules look at
REPAIR = 1_000_000  # bytes of a broken record that `fix` tries to repair
SIDECAR = 1_000_000  # bytes of a text file beside a picture
FRONT_MATTER = 500_000  # bytes of the YAML of a card
FRONT_MATTER_VALUES = 100_000  # values of that YAML, those that aliases repeat each time
MAX_CARD = 5_000_000  # bytes of a card that `card` and the card rules read
CARD_FILE = 16_000_000  # bytes of a README.md that `fix`, `shard` and `unshard` write again
SETTINGS = 1_000_000  # bytes of hubtools.toml
JSON_FILE = 64_000_000  # bytes of a baseline, a configuration or another JSON file
JSON_COST = 256_000_000  # bytes that its values take in memory, estimated
OWN_JSON_COST = 768_000_000  # the same of a journal: half a million files can be undone
JSON_VALUES = 100_000  # values of the records of a run and of its evaluation
SETTING_VALUES = 10_000  # values of one setting
PICTURE = 200_000_000  # bytes of a picture file
PICTURE_TEXTS = 32_000_000  # characters of all texts in a picture's metadata, unpacked
VIEWED_GROUP = 300_000_000  # bytes of a row group of parquet that the Hub's viewer reads
STREAMED = 128_000_000  # bytes of a picture or a text in an archive, a shard or far away
ANSWER = 64_000_000  # bytes of an answer of the Hub, unpacked
LOG_LINE = 1_000_000  # bytes of a line of a job's log
MEMBERS = 150_000  # files of an archive
FILES = 500_000  # files of a folder with all that is below it
FINDINGS = 10_000  # findings of one rule; the rest is counted
SAID = 2_000  # characters of what one finding says


def json_cost(data: bytes) -> int:
    """About how many bytes of memory the values of some JSON (or JSON Lines, or CSV) take, never
    much less: texts at the width of their widest character, and what Python adds to each value."""
    wide = 1
    if not data.isascii():
        wide = 4 if any(data.count(bytes([first])) for first in range(0xF0, 0xF5)) else 2
    if wide < 4 and b"\\u" in data:
        wide = 4 if b"\\ud" in data or b"\\uD" in data else 2
    marks = 184 * data.count(b"{") + 72 * data.count(b"[") + 64 * data.count(b",")
    return len(data) * wide + marks + 60 * data.count(b":") + 110 * data.count(b"\n")


def json_values(data: bytes) -> int:
    """About how many values some JSON has, never fewer; what texts hold is counted too."""
    return 1 + data.count(b",") + data.count(b"[") + data.count(b"{")


_BRACKET = regex(r"[\[\]{}]")
_DASHES = regex(rf"(?:[-?][ \t]{{1,9}}){{{DEPTH},}}")


def yaml_beyond(text: str) -> str | None:
    """Why YAML of somebody else is not given to a parser, in a clause; None if it is. Parsers take
    time by the square of the depth, and seconds for what a card never has. Counted in one pass,
    without regard to quotes."""
    if len(text) > FRONT_MATTER:
        return f"the YAML is longer than {FRONT_MATTER:,} characters, and is not read"
    if text.count(",") + text.count("\n") > FRONT_MATTER_VALUES:
        return f"the YAML stands for more than {FRONT_MATTER_VALUES:,} values"
    depth = 0
    if text.count("[") + text.count("{") > DEPTH:
        for match in _BRACKET.finditer(text):
            depth = depth + 1 if match[0] in "[{" else max(0, depth - 1)
            if depth > DEPTH:
                break
    if depth > DEPTH or _DASHES.search(text):
        return f"lists or mappings lie too deep in each other (more than {DEPTH})"
    return None


def crowded_folders(names: Iterable[str]) -> dict[str, int]:
    """Folders of more entries than the Hub takes, and how many they have: files and sub-folders
    right in them. `names` are files relative to the repository, with `/`; the top level is ""."""
    counts = Counter(name.rpartition("/")[0] for name in names)
    known = {""}
    for folder in list(counts):
        while folder not in known:
            known.add(folder)
            folder = folder.rpartition("/")[0]
            counts[folder] += 1
    return {folder: count for folder, count in counts.items() if count > IN_FOLDER}
