"""hubtools.toml, the environment and the command line: one vocabulary, one order."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubtools.environment import unknown_in
from hubtools.errors import HubtoolsError, UsageError
from hubtools.layout import cache_dir, config_dir
from hubtools.project import Project, load_project, schema
from hubtools.project_file import line_of, to_toml
from hubtools.settings import SECTIONS
from tests.typed import typed


def write(folder: Path, text: str) -> Path:
    (folder / "hubtools.toml").write_text(text, encoding="utf-8")
    return folder


def load(folder: Path, overrides: dict[tuple[str, str], Any] | None = None, **env: str) -> Project:
    return load_project(folder, overrides, env)


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path) -> None:
    write(tmp_path, "[train]\nrank = 8\nseed = 1\nresolution = 256\n")
    project = load(
        tmp_path, {("train", "rank"): 2}, HUBTOOLS_TRAIN_RANK="3", HUBTOOLS_TRAIN_SEED="9"
    )
    assert (project.train.rank, project.train.seed, project.train.resolution) == (2, 9, 256)
    assert project.train.train_batch_size == Project().train.train_batch_size


def test_names_of_diffusers_are_understood(tmp_path: Path) -> None:
    text = '[dataset]\ntrain_data_dir = "d"\ndataset_name = "a/b"\n[model]\nhub_model_id = "a/c"\n'
    project = load(write(tmp_path, text))
    assert (project.dataset.path, project.dataset.repo, project.model.repo) == ("d", "a/b", "a/c")


def test_paths_belong_to_who_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write(tmp_path / "project", '[dataset]\npath = "pictures"\n')
    assert load(tmp_path / "project").dataset_dir == tmp_path / "project/pictures"
    typed = load(tmp_path / "project", {("dataset", "path"): "mine"})
    assert typed.dataset_dir == tmp_path / "here/mine"


def test_a_licence_is_known_in_other_letters_and_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "hubtools.toml").write_text('[dataset]\nlicense = "CC-BY-4.0"\n')
    project = load_project(tmp_path, {("model", "license"): " OpenRAIL++ "})
    assert (project.dataset.license, project.model.license) == ("cc-by-4.0", "openrail++")
    assert [note.split()[0] for note in project.notes] == ["dataset.license:", "model.license:"]
    other = project.with_settings({("dataset", "license"): "mit", ("model", "license"): "MIT 2"})
    assert (other.dataset.license, other.model.license) == ("mit", "MIT 2")  # told where it is used
    assert other.notes == []
    assert load_project(None, {("model", "license"): "mit"}, {}).notes == []


def test_lists_from_the_environment(tmp_path: Path) -> None:
    project = load(write(tmp_path, ""), HUBTOOLS_SAMPLES_PROMPTS="a man, old|a woman")
    assert project.samples.prompts == ["a man, old", "a woman"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "[train]\nranc = 4\n",
            "hubtools.toml:2: unknown key 'ranc' in [train]",
            "did you mean rank?",
        ),
        ("[trian]\n", "hubtools.toml:1: unknown key 'trian'", "did you mean train?"),
        ("\n[model]\nrank = 4\n", "hubtools.toml:3: unknown key 'rank'", "it belongs in [train]"),
        ("[train]\nrank = 0\n", "hubtools.toml:2: train.rank", None),
        ("[train]\nrank = 'x'\n", "hubtools.toml:2: train.rank", None),
        ("[train\n", "not valid TOML", "brackets"),
        ("train = 4\n", "hubtools.toml:1: train must be a section", "[train]"),
        ('[dataset]\nrepo = "x"\n', "owner/name", None),
        ('[dataset]\nrepo = "a--b/c"\n', "owner/name", None),
        ('[dataset]\nrights = "mine"\n', "'own'", None),
        ('[dataset]\npath = "a"\ntrain_data_dir = "b"\n', "are the same setting", None),
        ('[dataset]\ntrigger = " "\n', "trigger", None),
    ],
)
def test_mistakes_are_told_with_their_line(
    tmp_path: Path, text: str, message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        load(write(tmp_path, text))
    assert message in str(caught.value)
    assert hint is None or hint in str(caught.value.hint)
    assert "\n" not in str(caught.value)


def test_mistakes_elsewhere_are_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="HUBTOOLS_TRAIN_RANK"):
        load(write(tmp_path, ""), HUBTOOLS_TRAIN_RANK="many")
    with pytest.raises(UsageError, match="--rank"):
        load(tmp_path, {("train", "rank"): -1})
    (tmp_path / "hubtools.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        load(tmp_path)
    with pytest.raises(UsageError, match="There is no"):
        load(tmp_path / "nowhere")


def test_the_schema_speaks_of_every_setting() -> None:
    told = schema()
    json.dumps(told)
    assert set(told["properties"]) == set(SECTIONS)
    for model in SECTIONS.values():
        properties = told["$defs"][model.__name__]["properties"]
        assert set(properties) == set(model.model_fields)
        assert all(entry.get("description") for entry in properties.values())


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**50), 2**50),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.lists(st.text(max_size=8), max_size=3),
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(list(SECTIONS)), st.dictionaries(st.sampled_from("abcd"), values)
    )
)
def test_what_is_written_is_read_back(content: dict[str, dict[str, Any]]) -> None:
    try:
        text = to_toml(content)
        text.encode()
    except UnicodeEncodeError:
        return
    wanted = {
        section: {key: value for key, value in pairs.items() if value is not None}
        for section, pairs in content.items()
    }
    assert tomllib.loads(text) == {section: pairs for section, pairs in wanted.items() if pairs}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(alphabet="[]=\"'\n#. abrank_trin0123456789{}", max_size=60))
def test_any_file_is_read_or_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    said = ""
    try:
        load(write(tmp_path, text))
    except UsageError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize(
    ("source", "place", "line"),
    [
        ("[train]\nsteps = 1\n", ("train", "steps"), 2),
        ("# steps = 9\n[train]\n# steps = 8\nsteps = 1\n", ("train", "steps"), 4),
        ("[model]\nsteps = 1\n[train]\nsteps = 2\n", ("train", "steps"), 4),
        (
            '[model]\nnote = """\n[train]\nsteps = 1\n"""\n[train]\nsteps = 2\n',
            ("train", "steps"),
            7,
        ),
        ("train.steps = 1\n", ("train", "steps"), 1),
        ("train = { rank = 4, steps = 1 }\n", ("train", "steps"), 1),
        ('[train]\n"steps" = 1\n', ("train", "steps"), 2),
        ("[train]\nsteps = [\n  1,\n]\n", ("train", "steps"), 2),
        ("\n[train.steps]\na = 1\n", ("train", "steps"), 2),
        ("[model]\nbase = 'steps = 1'\n[train]\nrank = 4\nsteps = 1\n", ("train", "steps"), 5),
        ("[model]\na = 1\n\n[trains]\nb = 1\n", ("trains",), 4),
        ("[dataset]\ntrains = 1\n[trains]\n", ("trains",), 3),
        ("[train]\nrank = 4\n", ("train", "steps"), 1),
    ],
)
def test_lines_of_settings(source: str, place: tuple[str, ...], line: int) -> None:
    assert line_of(source, *place) == line


def test_a_line_is_found_among_many_that_look_like_it() -> None:
    source = "# steps = 1\n" * 20_000 + "[train]\nsteps = 2\n"
    assert line_of(source, "train", "steps") in (1, 20_002)


def test_a_nul_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "hubtools.toml").write_text('[dataset]\n\npath = "a\\u0000b"\n')
    with pytest.raises(UsageError, match=r"hubtools.toml:3: path holds a NUL"):
        load_project(tmp_path)


# --- the environment ------------------------------------------------------------------------------


def test_a_misspelt_variable_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError) as caught:
        load(write(tmp_path, ""), HUBTOOLS_TRAIN_RNAK="3")
    assert "HUBTOOLS_TRAIN_RNAK" in caught.value.message
    assert "HUBTOOLS_TRAIN_RANK" in str(caught.value.hint)
    # what belongs to no section may be another program's: it is told, and nothing stops
    assert unknown_in(
        {"HUBTOOLS_CHACHE": "x", "HUBTOOLS_CACHE": "y", "HUBTOOLS_TRAIN_RANK": "1"}
    ) == ["hubtools reads no variable HUBTOOLS_CHACHE; did you mean HUBTOOLS_CACHE?"]
    monkeypatch.setenv("HUBTOOLS_TRIAN_RANK", "3")
    monkeypatch.chdir(tmp_path)
    said = typed("explain", "D101")
    assert "Warning: hubtools reads no variable HUBTOOLS_TRIAN_RANK" in said.stderr
    assert "did you mean HUBTOOLS_TRAIN_RANK?" in said.stderr
    assert said.returncode == 0


def test_other_names_of_a_setting_are_variables_too(tmp_path: Path) -> None:
    assert load(write(tmp_path, ""), HUBTOOLS_TRAIN_LR="0.5").train.learning_rate == 0.5
    with pytest.raises(UsageError, match="are the same setting"):
        load(tmp_path, HUBTOOLS_TRAIN_LR="0.5", HUBTOOLS_TRAIN_LEARNING_RATE="0.5")


# --- where a project is found ---------------------------------------------------------------------


def test_a_project_is_found_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, deep = tmp_path / "project", tmp_path / "project/notes/of/today"
    deep.mkdir(parents=True)
    write(project, "[train]\nrank = 3\n")
    monkeypatch.chdir(deep)
    found = load_project(environ={})
    assert (found.train.rank, found.root) == (3, project)
    assert found.dataset_dir == project / "dataset"
    with pytest.raises(UsageError, match="There is no"):
        load_project(deep, environ={})  # a folder that somebody names is that folder


@pytest.mark.parametrize("why", ["home", "git", "anybody may write", "somebody else's file"])
def test_not_every_folder_above_is_looked_in(
    why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "outer/inner"
    inner.mkdir(parents=True)
    write(tmp_path / "outer", "[train]\nrank = 3\n")
    monkeypatch.chdir(inner)
    assert load_project(environ={}).train.rank == 3
    if why == "home":
        monkeypatch.setenv("HOME", str(inner))
    elif why == "git":
        (inner / ".git").mkdir()
    elif why == "anybody may write":
        (tmp_path / "outer").chmod(0o777)
    elif not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root gives files away")
    else:  # a group may write, say
        os.chown(tmp_path / "outer/hubtools.toml", 1234, -1)
    assert load_project(environ={}).file is None


def test_a_pyproject_has_the_sections_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nname = "x"\nseed = 1\n\n[tool.hubtools.train]\nseed = 7\n')
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert load_project(environ={}).train.seed == 7
    assert load_project(tmp_path, environ={}).file == file
    assert load_project(file, environ={}).train.seed == 7
    file.write_text('[project]\nseed = 1\n\n[tool.hubtools.train]\nseed = "many"\n')
    with pytest.raises(UsageError, match=r"pyproject\.toml:5: train\.seed "):
        load_project(environ={})
    file.write_text("[tool.hubtools]\ntrain.sead = 1\n")
    with pytest.raises(UsageError, match=r"pyproject\.toml:2: unknown key 'sead'"):
        load_project(environ={})
    file.write_text("[tool.hubtools.trian]\nseed = 1\n")
    with pytest.raises(UsageError, match=r"pyproject\.toml:1: unknown key 'trian'"):
        load_project(environ={})
    file.write_text("[tool.other]\nhubtools = 1\n")
    assert load_project(environ={}).file is None
    with pytest.raises(UsageError, match=r"has no \[tool\.hubtools\]"):
        load_project(file, environ={})
    file.write_text("[tool.hubtools.train]\nseed = 7\n")
    write(tmp_path, "[train]\nseed = 8\n")
    assert load_project(environ={}).train.seed == 8


def test_without_a_home_folder_there_is_none_to_stop_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pwd

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    inner = tmp_path / "project/inner"
    inner.mkdir(parents=True)
    write(tmp_path / "project", "[train]\nrank = 3\n")
    monkeypatch.chdir(inner)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)  # a user of a container, whom no list names
    assert load_project(environ={}).train.rank == 3
    for find, variable in ((cache_dir, "HUBTOOLS_CACHE"), (config_dir, "HUBTOOLS_CONFIG")):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(f"{variable.replace('HUBTOOLS', 'XDG')}_HOME", raising=False)
        with pytest.raises(HubtoolsError, match="no home folder") as found:
            find()
        assert variable in (found.value.hint or "")
