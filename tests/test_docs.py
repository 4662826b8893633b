"""Generated pages are those that the code would generate now."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from hubtools.models.families.protocol import family_of
from hubtools.models.registry import SUPPORTED, TARGETS
from hubtools.settings import SampleSettings, TrainSettings

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
assert _spec is not None
assert _spec.loader is not None
make_docs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(make_docs)


@pytest.mark.parametrize("name", sorted(make_docs.PAGES))
def test_generated_page_is_up_to_date(name: str) -> None:
    expected = make_docs.PAGES[name]()
    found = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert found == expected, "run: python tools/make_docs.py"


def test_no_page_is_left_of_a_rule_that_is_gone() -> None:
    there = {f"rules/{path.name}" for path in (ROOT / "docs" / "rules").iterdir()}
    assert there == {name for name in make_docs.PAGES if name.startswith("rules/")}


def test_every_rule_of_the_dataset_says_what_to_do() -> None:
    for rule in make_docs.DATASET_RULES:
        happens, _, fix = make_docs._parts(rule.doc)
        assert happens, rule.id
        assert fix, rule.id


def _anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page in an address."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in headings}


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^):]*))?\)", text):
            place = page.parent / target if target else page
            assert place.exists(), f"{page.name} links {target}"
            if anchor and page.parent.name != "rules":  # which show links that are broken
                assert anchor in _anchors(place), f"{page.name} links {target}#{anchor}"


PLACE = re.compile(
    r"`((?:hubtools|tools|tests|card_templates|benchmarks|docs|examples|base)/[^`\s*<>{}$:]*)"
)


def test_every_place_that_a_page_names_is_there() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    named = {(p.name, place) for p in pages for place in PLACE.findall(p.read_text("utf-8"))}
    assert len(named) > 60
    assert not {(page, place) for page, place in named if not (ROOT / place).exists()}


def test_architecture_names_every_file_of_rules() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    places = PLACE.findall(text)
    files = [
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "hubtools").rglob("*.py")
        if re.search(r"^@[A-Z]+_RULES\.rule\(", file.read_text("utf-8"), re.MULTILINE)
    ]
    assert len(files) > 25
    unnamed = [
        file for file in files if file not in places and f"{file.rpartition('/')[0]}/" not in places
    ]
    assert not unnamed, "say in docs/architecture.md which rules are there"


def test_a_rule_is_found_as_architecture_says() -> None:
    found = {
        id
        for file in (ROOT / "hubtools").rglob("*.py")
        for id in re.findall(r'^(?:@.*\()? *"([A-Z]\d{3})",', file.read_text("utf-8"), re.MULTILINE)
    }
    ids = {rule.id for book in make_docs._BOOKS.values() for rule in book}
    assert len(ids) > 150
    assert ids <= found


def test_architecture_shows_every_picture_of_floors() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    pictures = {name for name in make_docs.PAGES if name.endswith(".svg")}
    assert pictures
    assert pictures == {path.name for path in (ROOT / "docs").glob("floors*.svg")}
    missing = {name for name in pictures if f"({name})" not in text}
    assert not missing, f"link them in docs/architecture.md: {missing}"


def test_the_page_on_training_names_every_setting_of_it() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    options = re.findall(r"`(?:--)?([a-z0-9_-]+)", page)
    named = {one.replace("-", "_") for one in options}
    assert set(TrainSettings.model_fields) <= named


def test_defaults_on_the_page_on_training_are_those_of_the_settings() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| ((?:`\w+`(?: \(`\w+`\))?(?:, )?)+) \| (.+?) \|", page, re.MULTILINE)
    told = [
        pair
        for names, defaults in named
        for pair in zip(re.findall(r"`(\w+)`", names), defaults.split(", "), strict=False)
    ]
    told += re.findall(r"`(?:--)?([\w-]+)` \((on|off|none|[\d.e-]+)(?:\)|, [a-z])", page)
    known = {
        name: field.get_default(call_default_factory=True)
        for name, field in (TrainSettings.model_fields | SampleSettings.model_fields).items()
    }
    compared = 0
    for name, said in told:
        default = known.get(name.replace("-", "_"))
        if default is None or said.startswith("the "):
            continue
        if isinstance(default, bool):
            assert said == ("on" if default else "off"), name
        elif isinstance(default, int | float):
            assert float(said) == default, name
        else:
            assert said.strip("`") == (default or "none"), name
        compared += 1
    assert compared > 35


def test_the_table_of_families_is_that_of_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| \[.+?\]\(#.+?\) \| (.+?) \| (.+?) \| (\d+) \| (.+?) \| (.+) \|$", page, re.MULTILINE
    )
    told = {
        pipeline: (predicts == "flow", int(sides), size, drawn)
        for pipelines, predicts, sides, size, drawn in rows
        for pipeline in re.findall(r"`(\w+)`", pipelines)
    }
    assert set(told) == {name for support in SUPPORTED.values() for name in support.pipelines}
    for support in SUPPORTED.values():
        for pipeline in support.pipelines:
            flow, sides, size, _ = told[pipeline]
            assert sides == support.divisor, pipeline
            assert flow == (support.denoiser == "transformer"), pipeline
            sizes = {row.size for row in TARGETS.values() if row.support is support}
            first, *more = map(int, re.findall(r"\d+", size))
            between = range(first, max(more) + 1) if " to " in size else (first, *more)
            assert any(one in between for one in sizes), pipeline
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    tool = importlib.import_module("family_tables")
    for name, files in tool.BASES.items():
        folder = tool.folder_of(tmp_path, name)
        drawn = family_of(folder, name).sampling(folder)
        pipeline = files["model_index.json"]["_class_name"]
        assert f"{drawn.steps}, {drawn.guidance:g}" in told[pipeline][3], name


def test_each_family_has_the_proofs_that_are_named() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text[text.index("| proof |") :].partition("\n\n")[0]
    named = set(re.findall(r"`([\w/*]+\.py)::(\w+)`", table))
    flows = {
        support.place.partition(":")[0].rpartition(".")[2]
        for support in SUPPORTED.values()
        if support.denoiser == "transformer"
    }
    assert len(flows) >= 9
    assert len(named) > 12
    for file, test in named:
        for name in flows if "*" in file else {""}:
            place = f"tests/training/{file.replace('*', name)}" if name else file
            code = (ROOT / place).read_text(encoding="utf-8")
            assert re.search(rf"^def {test}\w*\(", code, re.MULTILINE), f"{name}: {test}"
    whole = (ROOT / "tests/training/test_flow_training.py").read_text(encoding="utf-8")
    drawn = (ROOT / "tests/inference/test_staged.py").read_text(encoding="utf-8")
    for name in flows:
        tiny = {"stable_diffusion_3": "tiny_sd3"}.get(name, f"tiny_{name}")
        assert f'"{tiny}"' in whole.partition("\nCAPTIONS")[0], name
        assert f"{tiny}" in drawn, name


def test_numbers_of_families_are_those_of_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    tool = importlib.import_module("family_tables")
    page = tool.PAGE.read_text(encoding="utf-8")
    found = tool.tables(tmp_path, tool.TRIED) | tool.of_cards(tmp_path, tool.TRIED)
    for header, rows in found.items():
        assert tool.rows_of(page, header) == rows, "run: python benchmarks/family_tables.py"
    assert not tool.missing(page, tmp_path), "write these sentences in docs/families.md"
