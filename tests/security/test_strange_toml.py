"""TOML texts of others: settings of a project, of other trainers, and what lies beside a card."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.errors import HubtoolsError
from hubtools.journey.trainers.reading import read_config
from hubtools.project import load_project
from hubtools.tomltext import toml_value

BIG = "0x" + "f" * 5000
DEEP = ".".join("a" * 300)
TEXTS = {
    "a name of many parts": f"{DEEP} = 1\n",
    "the same in a table": f"x = {{{DEEP} = 1}}\n",
    "the same in quotes": "x = {" + ".".join([r'"\""'] * 300) + " = 1}\n",
    "tables in each other": "x = " + "{a = " * 150 + "1" + "}" * 150 + "\n",
    "lists in each other": "x = " + "[" * 3000 + "]" * 3000 + "\n",
    "a number of many digits": f"rank = {BIG}\n",
    "a decimal one": f"rank = {'9' * 5000}\n",
    "one in a list": f"prompts = [{BIG}]\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_they_are_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"parts|deep|digits"):
        toml_value(text)
    project = tmp_path / "hubtools.toml"
    project.write_text(f"[train]\n{text}")
    with pytest.raises(HubtoolsError) as found:
        load_project(project)
    assert found.value.message.startswith(str(project))
    other = tmp_path / "other.toml"
    other.write_text(f"image_dir = 'pics'\nlearning_rate = {BIG}\n{text}")
    with pytest.raises(HubtoolsError, match="cannot be read as TOML"):
        read_config(other)


def test_names_of_very_many_parts_take_no_time() -> None:
    """The parser alone takes a quarter of an hour."""
    with pytest.raises(ValueError, match="parts"):
        toml_value("x = {" + ".".join("a" * 400_000) + " = 1}")


def test_usual_texts_are_read() -> None:
    text = """
a.b."c d".'e' = [1, -2, 1e300, 18446744073709551615]
prose = "One. Two. Three, e.g. A. B. C. D. E. F. G. H. I. J. K. L. M. N. O. P."
"""
    found = toml_value(text)
    assert found["a"]["b"]["c d"]["e"] == [1, -2, 1e300, 18446744073709551615]


def test_a_trigger_that_is_put_in_very_often(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    prompt = "[trigger]" * 3000
    config.write_text(
        "config:\n  process:\n  - trigger_word: " + "x" * 500 + "\n    sample:\n"
        f"      prompts: ['{prompt}']\n"
    )
    found = read_config(config)
    assert found.values["dataset"]["trigger"] == "x" * 500
    assert "prompts" not in found.values.get("samples", {})
    assert "sample.prompts (too long)" in found.left
