"""What a shell is offered."""

from __future__ import annotations

import pytest

from tests.typed import typed


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tra", {"train"}),
        ("explain C30", {"C301", "C302", "C303"}),
        ("validate --ignore d3", {"D301", "D304"}),
        ("generate --scheduler eul", {"euler", "euler_a"}),
        ("ship --from ge", {"generate"}),
        ("train --optimizer adam", {"adamw"}),
        ("grid --x lora", {"lora_weight="}),
    ],
)
def test_known_values_are_offered(
    line: str, offered: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_HUBTOOLS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"hubtools {line}")
    monkeypatch.setenv("COMP_CWORD", str(len(line.split())))
    done = typed()
    assert (done.returncode, done.stderr) == (0, "")
    words = {row.partition(",")[2] for row in done.stdout.splitlines()}
    assert offered <= words
    assert all(word.casefold().startswith(line.split()[-1].casefold()) for word in words)


def test_files_are_left_to_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_HUBTOOLS_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "hubtools train --base-model mi")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert typed().stdout == "file,mi\n"


def test_the_scripts_of_the_shells_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for shell in ("bash", "zsh", "fish"):
        monkeypatch.setenv("_HUBTOOLS_COMPLETE", f"{shell}_source")
        done = typed()
        assert done.returncode == 0
        assert "_HUBTOOLS_COMPLETE" in done.stdout
