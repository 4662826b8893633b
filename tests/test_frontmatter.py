"""The one reader of front matter takes what `huggingface_hub` takes, and `datasets` with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubtools.front_edits import with_key, without_key
from hubtools.frontmatter import parse

BOM = b"\xef\xbb\xbf"
_LINES = st.sampled_from(
    [
        "---", "--- ", " ---", "----", "---\t", "", " ", "license: mit", "license: mit ",
        "tags:", "- a", "  - b", "a: [", "a: {b: 1}", "- x", "text", "a: 1", "a: 2", "'a': 3",
        "configs:", "- config_name: default", "  data_files: train/*", "? x", "\ufeff", "a: &x 1",
        "b: *x", "\u2028", "a: \"---\"", "# c", "!!python/object:os.system a", "2020-01-01: x",
    ]
)  # fmt: skip
_CARDS = st.lists(st.tuples(_LINES, st.sampled_from(["\n", "\r\n", "\r"])), max_size=8).map(
    lambda pairs: "".join(line + end for line, end in pairs)
)


def by_client(path: Path) -> tuple[dict[str, Any] | None, str]:
    """(data, text) as the Hub's client reads it; None if it raises."""
    from huggingface_hub import RepoCard
    from huggingface_hub.repocard_data import CardData

    class Plain(RepoCard):
        card_data_class = CardData

    try:
        card = Plain.load(path, ignore_metadata_errors=True)
    except Exception:
        return None, ""
    return {str(k): v for k, v in card.data.__dict__.items()}, card.text


@given(card=_CARDS, mark=st.sampled_from([b"", BOM]), last=_LINES)
@example(card="---\nlicense: mit\n", mark=BOM, last="---")
@example(card="\ufeff\n---\nlicense: mit\n", mark=BOM, last="---")
@example(card="\n\n  ---\r\nlicense: mit\r\n", mark=b"", last="---")
@example(card="---\n---\n", mark=b"", last="")
@example(card="---\na: 1\na: 2\n---\n", mark=b"", last="x")
@example(card="---\n---\n---\n", mark=b"", last="\ufeff")
@example(card="", mark=BOM, last="\ufeff")
def test_equal_to_the_client(
    tmp_path_factory: pytest.TempPathFactory, card: str, mark: bytes, last: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "front" / "README.md"
    path.parent.mkdir(exist_ok=True)
    data = mark + (card + last).encode()
    path.write_bytes(data)
    ours = parse(data)
    text = data.removeprefix(BOM).decode().removeprefix("\ufeff" if not mark else "")
    assert ours.opening + (ours.block or "") + ours.closing + ours.body in (text, text[1:])
    theirs, body = by_client(path)
    if theirs is None:
        assert ours.error
        return
    assert ours.data == theirs
    if not f"{card}{last}".startswith("\ufeff"):
        assert ours.body == (body if ours.block is not None else body.removeprefix("\ufeff"))
    if ours.block is not None:
        assert ours.error is None


@pytest.mark.parametrize(
    "card, line, says",
    [
        ("---\nlicense: mit\n", 1, "never closed"),
        ("--- \nlicense: mit\n---\n", 1, "space behind"),
        ("---\nlicense: mit\n ---\n", 3, "indented"),
        ("\n\n---\na: [\n---\n", 4, "did not find|expected"),
        ("---\n- a\n---\n", 2, "no mapping"),
        ("---\na: 1\ntags: &all [a, {b: *all}]\n---\n", 3, "a value holds itself"),
        ("---\na: 1\n", 1, "never closed"),
        ("---\n" + "a: 1\n" * 300_000 + "---\n", 2, "500,000 characters"),
        ("---\na: " + "[" * 5000 + "]" * 5000 + "\n---\n", 2, "deep"),
        (
            "---\na0: &a0 x\n"
            + "".join(
                f"a{n + 1}: &a{n + 1} [" + ", ".join([f"*a{n}"] * 10) + "]\n" for n in range(12)
            )
            + "---\n",
            7,
            "100,000 values",
        ),
    ],
)
def test_what_is_no_front_matter_is_said(card: str, line: int, says: str) -> None:
    found = parse(card)
    assert found.data == {}
    assert found.error is not None
    assert any(part in found.error for part in says.split("|")), found.error
    assert found.line == line or "expected" in says


def test_repeated_keys() -> None:
    text = "---\nlicense: mit\ntags: {license: x, a: [license, license]}\nlicense: other\n---\n"
    assert parse(text).repeated == ("license",)
    assert parse(text).data["license"] == "other"
    assert parse("---\na: {b: 1, c: 2}\nb: 1\nc: [1, [2]]\nd: 1\n---\n").repeated == ()


@pytest.mark.parametrize(
    ("card", "changed"),
    [
        ("---\n---\n---\n", "---\n---\nlicense: mit\n---\n"),
        ("---\n---\na: 1\n---\nx\n", "---\n---\nlicense: mit\na: 1\n---\nx\n"),
        ("---\n--- \n\n---\nx\n", "---\n--- \nlicense: mit\n\n---\nx\n"),
    ],
)
def test_a_key_stands_behind_the_start_of_a_document(card: str, changed: str) -> None:
    found = with_key(card.encode(), "license", "mit")
    assert found == changed.encode()
    assert parse(found).body == parse(card.encode()).body


@given(card=_CARDS, mark=st.sampled_from([b"", BOM]), value=st.none() | st.text() | st.integers())
def test_changes_keep_everything_else(card: str, mark: bytes, value: Any) -> None:
    data = mark + card.encode()
    before = parse(data)
    changed = with_key(data, "license", value)
    if before.error:
        assert changed is None
        return
    if changed is None:
        return
    after = parse(changed)
    rest = {key: item for key, item in before.data.items() if key != "license"}
    assert after.data == rest | ({} if value is None else {"license": value})
    assert after.body == before.body or before.block is None
    assert changed.startswith(mark)
    back = without_key(changed, "license")
    assert back is None or parse(back).data == rest


def test_a_key_is_added_in_its_line_ends() -> None:
    card = BOM + b"---\r\nlicense: mit\r\n---\r\n# x\r\n"
    assert with_key(card, "a", 1) == BOM + b"---\r\na: 1\r\nlicense: mit\r\n---\r\n# x\r\n"
    assert with_key(None, "a", 1) == b"---\na: 1\n---\n"
    assert without_key(card, "license") == BOM + b"# x\r\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_front_matter_in_braces_is_spread_over_lines(end: bytes) -> None:
    """As programs write it, and people who copy what programs write."""
    card = end.join(
        [b"---", b'{"license": "mit", "configs": [{"config_name": "a"}]}', b"---", b"# x"]
    )
    wanted = [b"---", b"license: mit", b"configs:", b"- config_name: a", b"tags:", b"- b", b"---"]
    assert with_key(card, "tags", ["b"], last=True) == end.join([*wanted, b"# x"])
    assert without_key(card, "configs") == end.join([b"---", b"license: mit", b"---", b"# x"])
    assert with_key(card, "configs", None) == without_key(card, "configs")
    # a remark would be lost
    noted = card.replace(b'{"license', b"# mine" + end + b'{"license')
    assert with_key(noted, "tags", ["b"]) is None
