"""Writing a card again: what a person wrote stays, what hubtools wrote is renewed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubtools.cards.merge import Memory, blocks_of, merge
from hubtools.errors import HubtoolsError
from hubtools.frontmatter import parse


def block(name: str, text: str) -> str:
    return f"<!-- hubtools:begin {name} -->\n{text}\n<!-- hubtools:end {name} -->\n"


DATA: dict[str, Any] = {"license": "mit", "tags": ["lora", "hubtools"], "base_model": "a/b"}
BODY = block("title", "# Title") + "\n" + block("facts", "20 steps")


def first() -> tuple[str, Memory]:
    return merge(None, DATA, BODY, None)


def front(text: str) -> dict[str, Any]:
    data = parse(text).block
    assert data is not None
    loaded = yaml.safe_load(data)
    assert isinstance(loaded, dict)
    return loaded


def test_a_clean_sheet_and_again() -> None:
    text, memory = first()
    assert front(text) == DATA
    assert text.endswith(BODY)
    again, remembered = merge(text, DATA, BODY, memory)
    assert (again, remembered) == (text, memory)


def test_new_facts_replace_old_ones_and_words_around_stay() -> None:
    text, memory = first()
    text = text.replace(
        "<!-- hubtools:begin facts", "My own words.\n\n<!-- hubtools:begin facts"
    ).replace("license: mit", "# chosen with care\nlicense: mit\nlanguage: en")
    body = BODY.replace("20 steps", "40 steps")
    again, _ = merge(text, DATA | {"base_model": "a/c"}, body, memory)
    assert "My own words.\n\n<!-- hubtools:begin facts -->\n40 steps" in again
    assert front(again) == DATA | {"base_model": "a/c", "language": "en"}
    assert "# chosen with care\nlicense: mit\nlanguage: en\n" in again


def test_what_a_person_changed_or_deleted_stays_so() -> None:
    text, memory = first()
    text = text.replace("# Title", "# A better title").replace(
        "license: mit\n", "license: cc0-1.0\n"
    )
    text = text.replace(block("facts", "20 steps"), "").replace("base_model: a/b\n", "")
    text = text.replace("- lora\n", "- portrait\n")
    new = DATA | {"license": "apache-2.0", "tags": ["lora", "hubtools", "diffusers"]}
    again, memory = merge(text, new, BODY.replace("20", "40"), memory)
    assert "# A better title" in again
    assert "# Title" not in again
    assert "steps" not in again
    assert front(again) == {"license": "cc0-1.0", "tags": ["portrait", "hubtools", "diffusers"]}
    assert merge(again, new, BODY.replace("20", "40"), memory)[0] == again


def test_a_block_or_key_with_nothing_to_say_goes_unless_edited() -> None:
    text, memory = first()
    less = {key: value for key, value in DATA.items() if key != "base_model"}
    again, _ = merge(text, less, block("title", "# Title"), memory)
    assert "20 steps" not in again
    assert "base_model" not in front(again)
    edited = text.replace("20 steps", "about 20 steps").replace("a/b", "a/z")
    again, _ = merge(edited, less, block("title", "# Title"), memory)
    assert "about 20 steps" in again
    assert front(again)["base_model"] == "a/z"


def test_a_card_of_a_person_gets_ours_below_and_keeps_its_keys() -> None:
    mine = "---\nlicense: cc-by-4.0\ntags: [mine]\n---\n# My model\n\nWords.\n"
    text, memory = merge(mine, DATA, BODY, None)
    assert front(text) == {
        "license": "cc-by-4.0",
        "tags": ["mine", "lora", "hubtools"],
        "base_model": "a/b",
    }
    assert text.index("Words.") < text.index("<!-- hubtools:begin title")
    assert merge(text, DATA, BODY, memory)[0] == text


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("---\na: [\n---\n", "README.md:"),
        ("---\n- a\n---\n", "README.md:2"),
        ("---\njust text\n---\n", "README.md:2"),
    ],
)
def test_a_front_matter_that_cannot_be_read_is_left_alone(card: str, words: str) -> None:
    with pytest.raises(HubtoolsError, match=words):
        merge(card, DATA, BODY, None)


def test_line_ends_of_windows_are_understood() -> None:
    text, memory = first()
    again, _ = merge(text.replace("\n", "\r\n"), DATA, BODY, memory)
    assert front(again) == DATA
    assert again.count("hubtools:begin facts") == 1


words = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40)
keys = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True)
values = st.one_of(words, st.integers(), st.booleans(), st.lists(words, max_size=3), st.none())


@settings(max_examples=100, deadline=None)
@given(
    mine=st.dictionaries(keys, values, max_size=4),
    prose=st.lists(words, max_size=4),
    ours=st.dictionaries(keys, values, max_size=4),
    later=st.dictionaries(keys, values, max_size=4),
)
@example(mine={"tags": None}, prose=["---"], ours={"tags": ["a"]}, later={})
@example(mine={"a": "\xa0"}, prose=[], ours={}, later={})
@example(mine={}, prose=["<!-- hubtools:begin facts -->"], ours={}, later={})
def test_any_card_keeps_its_words_and_settles(
    mine: dict[str, Any], prose: list[str], ours: dict[str, Any], later: dict[str, Any]
) -> None:
    person = {f"my_{key}": value for key, value in mine.items()}
    card = f"---\n{yaml.safe_dump(person, allow_unicode=True)}---\n" + "\n".join(prose)
    text, memory = merge(card, ours, BODY, None)
    again, memory = merge(text, later, BODY.replace("20", "40"), memory)
    data = front(again)
    for key, value in person.items():
        assert data[key] == value
    for key, value in later.items():
        assert key not in ours or data.get(key, value) == value
    for line in prose:
        assert line.strip() in again
    assert merge(again, later, BODY.replace("20", "40"), memory)[0] == again


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="-:#'\"[]{}|>&*!% \t\r\nab", max_size=60), st.text(max_size=30))
def test_any_text_is_merged_or_refused_in_a_sentence(head: str, tail: str) -> None:
    try:
        text, memory = merge(f"---\n{head}\n---\n{tail}", DATA, BODY, None)
    except HubtoolsError:
        return
    assert front(text)["tags"]
    assert merge(text, DATA, BODY, memory)[0] == text


def test_line_ends_stay_as_the_file_has_them() -> None:
    card = "---\r\nlicense: mit\r\n---\r\n# A set\r\n\r\nPictures.\r\n"
    text, memory = merge(card, {"license": "mit", "tags": ["a"]}, BODY, None)
    assert text.count("\n") == text.count("\r\n")
    assert merge(text, {"license": "mit", "tags": ["a"]}, BODY, memory)[0] == text


def test_a_key_given_twice_is_not_chosen_from() -> None:
    card = "---\nlicense: cc0-1.0\n# why\nlicense: mit\n---\n# A\n"
    with pytest.raises(HubtoolsError, match="gives license twice"):
        merge(card, {"tags": ["a"]}, BODY, None)


FOUR = "".join(
    f"<!-- hubtools:begin {name} -->\n{name}\n<!-- hubtools:end {name} -->\n\n"
    for name in ("title", "gallery", "about", "use")
)


def test_a_block_that_comes_later_takes_its_place() -> None:
    early = FOUR.replace("hubtools:begin gallery", "x").replace("hubtools:end gallery", "x")
    early = re.sub(r"<!-- x -->\n.*\n<!-- x -->\n\n", "", early)
    assert "gallery" not in early
    text, memory = merge(None, {}, early, None)
    text = text.replace("<!-- hubtools:begin about", "My words.\n\n<!-- hubtools:begin about")
    later, _ = merge(text, {}, FOUR, memory)
    assert [block.name for block in blocks_of(later)] == ["title", "gallery", "about", "use"]
    assert "gallery -->\n\nMy words.\n\n<!-- hubtools:begin about" in later


def test_renewing_writes_over_what_a_person_made_of_it() -> None:
    text, memory = merge(None, {"license": "mit", "tags": ["lora"]}, FOUR, None)
    changed = text.replace("\nuse\n", "\nmine\n").replace("mit", "apache-2.0")
    changed = changed.replace("- lora\n", "- lora\n- dogs\n")
    changed = changed.replace(FOUR.split("\n\n")[2] + "\n\n", "") + "\nA word of mine.\n"
    kept, memory = merge(changed, {"license": "mit", "tags": ["lora"]}, FOUR, memory)
    assert kept == changed
    renewed, _ = merge(kept, {"license": "mit", "tags": ["lora"]}, FOUR, memory, renew=True)
    assert [block.text for block in blocks_of(renewed)] == ["title", "gallery", "about", "use"]
    assert "license: mit" in renewed
    assert "- dogs" in renewed
    assert renewed.endswith("\nA word of mine.\n")


@pytest.mark.parametrize(
    "written",
    [
        "# first\nlicense: mit # why\ntags: [a]  # mine\n# last\n",
        "# first\nb: &b {license: mit} # why\n<<: *b\ntags: [a] # mine\n# last\n",
        "# first\n{license: mit, # why\n  tags: [a]} # mine\n# last\n",
    ],
)
def test_comments_in_front_matter_stay(written: str) -> None:
    text, _ = merge(
        f"---\n{written}---\n# Mine\n", {"tags": ["lora"], "pretty_name": "x"}, "", None
    )
    for comment in ("# first\n", "# why\n", "# mine\n", "# last\n"):
        assert comment in text
    data = parse(text).data
    assert data["license"] == "mit"
    assert data["tags"] == ["a", "lora"]
    assert data["pretty_name"] == "x"
