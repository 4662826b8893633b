"""What captions say: mojibake, names of files, ways to reach people, words in all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.dataset.text.mojibake import find_mojibake, repair_mojibake
from hubtools.dataset.text.phrases import Common, Constant, common_phrases, constants
from hubtools.dataset.validate import validate
from hubtools.findings import Finding, Severity
from hubtools.leaks import contacts, may_hold_contacts
from hubtools.settings import DatasetSettings

TOK = "(tok)"


def captions(root: Path, *texts: str, names: tuple[str, ...] = ()) -> None:
    """Records for 0.png, 1.png, ...; what files there are does not matter here."""
    names = names or tuple(f"{n}.png" for n in range(len(texts)))
    rows = ({"file_name": n, "text": t} for n, t in zip(names, texts, strict=True))
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def found(root: Path, settings: DatasetSettings, rule: str) -> list[Finding]:
    return list(validate(root, settings, resolution=64, select=[rule]).findings)


# --- mojibake ------------------------------------------------------------------------------------

MEANT = (
    "Caf\u00e9", "\u00dcber\u00df", "\u043f\u0440\u0438\u0432\u0435\u0442", "\u4f60\u597d",
    "\U0001f600 smile", "\u201cred\u201d", "\u00c0", "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1",
)  # fmt: skip


def misread(text: str, charset: str = "cp1252") -> str:
    """As a program shows it that takes UTF-8 for Windows-1252."""
    return "".join(
        bytes([byte]).decode(charset, "ignore") or bytes([byte]).decode("latin-1")
        for byte in text.encode()
    )


@pytest.mark.parametrize("text", MEANT)
@pytest.mark.parametrize("charset", ["cp1252", "latin-1"])
def test_mojibake_is_found_and_repaired(text: str, charset: str) -> None:
    bad = f"a {misread(text, charset)} b"
    assert find_mojibake(bad)
    assert repair_mojibake(bad) == f"a {text} b"
    if charset == "cp1252":
        assert repair_mojibake(misread(bad)) == f"a {text} b"


@pytest.mark.parametrize(
    "text",
    [
        *MEANT,
        "na\u00efve caf\u00e9",
        "\u201e\u00dcbung\u201c \u2013 \u00dc\u201c",
        "\u201cCAF\u00c9\u201d",
        "MA\u00c7\u00c3\u201d",
        "\u20ac5 \u2013 \u201cok\u201d\u2026",
        "\u00dcn\u00efc\u00f6d\u00e9",
        "\u00ab\u00c0\u00bb",
        "the letter \u201c\u00e2\u201d\u2026",
        "\u00c5\u00c4\u00d6 \u00e5\u00e4\u00f6",
    ],
)
def test_good_text_is_left_alone(text: str) -> None:
    assert find_mojibake(text) is None
    assert repair_mojibake(text) == text


@given(st.text())
def test_what_is_repaired_is_no_mojibake_of_the_same_kind(text: str) -> None:
    once = repair_mojibake(text)
    assert repair_mojibake(once) == once or find_mojibake(once)


def test_html(good: Path, settings: DatasetSettings) -> None:
    captions(good, "(tok) &amp; a hat", "(tok) R&D; &c.", "(tok) 5 < 6 & 7 > 3")
    (finding,) = found(good, settings, "D507")
    assert finding.line == 1
    assert "HTML for '&'" in finding.message


# --- names of files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "caption", "told"),
    [
        ("IMG_4711.png", "IMG_4711", True),
        ("IMG_4711.png", "IMG_4711.PNG", True),
        ("IMG_4711.png", "img 4711", True),
        ("front_view_01.png", "front_view 01", True),
        ("front_view_01.png", "(tok) front_view_01", True),
        ("sub/red-hat.png", "Red hat", False),
        ("0.png", "scan-3.jpg a cat", True),
        ("a cat sleeping.png", "a cat sleeping", False),
        ("scan.png", "scan", True),
        ("0007.png", "0007", True),
        ("a-cat-sleeping.png", "a cat sleeping", False),
        ("0001.png", "(tok), front view", False),
        ("dog.png", "(tok) dog in the rain", False),
        ("0.png", "a site called sun.com, version 2.0.", False),
    ],
)
def test_file_names(
    good: Path, settings: DatasetSettings, name: str, caption: str, told: bool
) -> None:
    captions(good, caption, names=(name,))
    assert bool(found(good, settings, "D509")) is told


# --- ways to reach people ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mail joe.b+x@mail.co.uk!", [("an e-mail address", "j...@mail.co.uk")]),
        ("joe@example.com, a@b.test, not@all", []),
        ("call +49 30 1234567", [("a phone number", "...67")]),
        (
            "555-123-4567 or (555) 123-4599",
            [("a phone number", "...67"), ("a phone number", "...99")],
        ),
        ("tel: 030/1234567", [("a phone number", "...67")]),
        ("2024-05-01 10:20:30, 1920x1080, 4096 8192, 1girl, 3.14159265", []),
        ("ISBN 978-3-16-148410-0, seed 1234567890123, v1.2.3-4567, +1 5, so-called 12345678", []),
    ],
)
def test_contacts(text: str, shown: list[tuple[str, str]]) -> None:
    assert list(contacts(text)) == shown
    assert may_hold_contacts(f"a\n{text}\nb") or not shown


def test_contacts_are_not_shown_in_full(good: Path, settings: DatasetSettings) -> None:
    captions(good, "(tok)", "(tok), by jane.doe@mail.de")
    (finding,) = found(good, settings, "D707")
    assert (finding.line, finding.severity) == (2, Severity.WARNING)
    assert "jane.doe" not in finding.message


# --- words in all of them ------------------------------------------------------------------------

ENDS = ("smiling", "laughing", "in the rain", "on a bike", "asleep")


def phrases(form: str, trigger: str | None = TOK, share: float = 1.0) -> list[str]:
    return [c.phrase for c in common_phrases([form.format(e) for e in ENDS], trigger, share)]


@pytest.mark.parametrize(
    ("form", "trigger", "common"),
    [
        ("photo of (tok) woman with red hair, {}, high quality", TOK, ["high quality", "red hair"]),
        ("a photo of sks dog {}", "sks", []),
        ("sks golden retriever {}", "sks", []),
        ("portrait of (tok), {}", TOK, []),
        ("{} beside a bench and a tree, (tok)", TOK, ["beside a bench and a tree"]),
        ("{}, blue-green eyes", None, ["blue-green eyes"]),
        ("(tok), {} background", TOK, []),
    ],
)
def test_phrases_that_all_have(form: str, trigger: str | None, common: list[str]) -> None:
    assert phrases(form, trigger) == common


def test_a_share_of_the_captions() -> None:
    texts = [f"(tok), red hair, {end}" for end in ENDS] + ["(tok), a hat"]
    assert common_phrases(texts, TOK) == []
    assert common_phrases(texts, TOK, 0.8) == [Common("red hair", 5 / 6)]
    assert common_phrases(texts[:4], TOK) == []  # too few to tell
    assert common_phrases(["(tok), red hair"] * 9, TOK) == []  # D506's


def test_attributes_that_never_vary() -> None:
    texts = [f"(tok), {end}, wearing a blue hoodie, plain white background" for end in ENDS]
    assert constants(texts, TOK) == [
        Constant("background", "plain white", 5),
        Constant("clothes", "blue hoodie", 5),
    ]
    assert constants([*texts, "(tok), a hat"], TOK)[0].told == 5
    assert constants([*texts, "(tok), grey background, wearing a coat"], TOK) == []
    assert constants([*texts[:3], *(f"(tok) {n}" for n in range(4))], TOK) == []


def test_rules_do_not_say_it_twice(good: Path, settings: DatasetSettings) -> None:
    captions(good, *(f"(tok), {end}, wearing a blue hoodie, white background" for end in ENDS))
    assert found(good, settings, "D513") == []
    assert len(found(good, settings, "D514")) == 2


def test_columns_that_never_vary(good: Path, settings: DatasetSettings) -> None:
    rows = [
        {"file_name": f"{n}.png", "text": f"(tok) {n}", "view": "front", "license": "cc0", "n": n}
        for n in range(6)
    ]
    (good / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (finding,) = found(good, settings, "D514")
    assert finding.message == "view is 'front' in all 6 records"


def test_a_caption_for_much_of_the_set(good: Path, settings: DatasetSettings) -> None:
    captions(good, *["(tok)"] * 4, *(f"(tok) {n}" for n in range(6)))
    (finding,) = found(good, settings, "D512")
    assert "4 of 10 records (40%)" in finding.message
    for texts in (["(tok)"] * 10, ["(tok)"] * 3 + [f"(tok) {n}" for n in range(7)]):
        captions(good, *texts)
        assert found(good, settings, "D512") == []


# --- what loaders make of captions ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "read_as"),
    [
        ("metadata.csv", "file_name,text\n0.png,007\n1.png,12\n", "numbers"),
        ("metadata.csv", "file_name,text\n0.png,true\n1.png,False\n", "true or false"),
        ("metadata.csv", "file_name,text\n0.png,007\n1.png,12 cats\n", ""),
        ("metadata.jsonl", '{"file_name":"0.png","text":"2024-05-01 10:00"}\n', "dates"),
        ("metadata.jsonl", '{"file_name":"0.png","text":"007"}\n', ""),
    ],
)
def test_captions_that_become_something_else(
    good: Path, settings: DatasetSettings, name: str, text: str, read_as: str
) -> None:
    datasets = pytest.importorskip("datasets")
    (good / "metadata.jsonl").unlink()
    (good / name).write_text(text)
    findings = found(good, settings, "D123")
    assert bool(findings) is bool(read_as)
    assert read_as in "".join(f.message for f in findings)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(good), split="train")
    assert ("string" not in loaded.features["text"].dtype) is bool(read_as)


def test_a_key_that_comes_too_late(good: Path, settings: DatasetSettings) -> None:
    long = "x" * 1_000_000
    rows = [{"file_name": f"{n % 3}.png", "text": f"(tok) {long}{n}"} for n in range(12)]
    rows.append({"file_name": "0.png", "text": "(tok)", "age": "3"})
    path = good / "metadata.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (finding,) = found(good, settings, "D119")
    assert finding.severity is Severity.ERROR
    assert "dropped" in finding.message
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    (finding,) = found(good, settings, "D119")
    assert finding.severity is Severity.WARNING


def test_the_trigger_is_no_part_of_a_word() -> None:
    from hubtools.dataset.text.phrases import words_of

    assert words_of("art, a party by an artist", "art") == {"a", "party", "by", "an", "artist"}
