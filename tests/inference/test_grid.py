"""Grids: what is planned is drawn, once, whatever happens meanwhile; and one can look at it."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

torch = pytest.importorskip("torch")

from hubtools.cli.main import run  # noqa: E402
from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.files import sha256_of  # noqa: E402
from hubtools.inference.generate import generate  # noqa: E402
from hubtools.inference.grid import GridPlan, draw_grid, grid, plan_grid  # noqa: E402
from hubtools.inference.grid.picture import wrapped  # noqa: E402
from hubtools.manifest import BaseModelFacts, DatasetFacts, RunManifest  # noqa: E402
from hubtools.project import Project, load_project  # noqa: E402
from hubtools.rooted import Root  # noqa: E402
from tests.browser import CHROMIUM, Browser  # noqa: E402
from tests.doomed import RENAME, doomed  # noqa: E402
from tests.typed import typed  # noqa: E402

MakeLora = Callable[..., Path]
TRIGGER = "(tok)"
PROMPT = f"portrait of {TRIGGER} by {{style}}"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture
def project(tiny_base: Path, tmp_path: Path, make_lora: MakeLora) -> Project:
    """A project whose run kept snapshots of steps 2 and 4."""
    folder = tmp_path / "runs/lora"
    make_lora(folder, name="pytorch_lora_weights.safetensors", seed=31)
    for step in (2, 4):
        make_lora(folder / "snapshots", name=f"lora-step{step:06d}.safetensors", seed=step)
    RunManifest(
        name="lora",
        status="finished",
        started="2026-01-01T00:00:00Z",
        base_model=BaseModelFacts(id=None, family="stable-diffusion", prediction_type="epsilon"),
        dataset=DatasetFacts(fingerprint="0", images=5, caption_column="text", trigger=TRIGGER),
        train={},
        steps=6,
        steps_done=6,
        epochs=1.0,
        seed=0,
    ).write(folder)
    (tmp_path / "hubtools.toml").write_text(
        f"[train]\npretrained_model_name_or_path = '{tiny_base}'\nresolution = 64\n"
        "num_threads = 1\n[samples]\nsteps = 2\n"
    )
    return load_project(tmp_path / "hubtools.toml")


@pytest.fixture
def run_dir(project: Project) -> str:
    return str(project.run_dir)


def facts(plan: GridPlan) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((plan.folder / "grid.json").read_text())
    return content


def test_the_figures_of_the_tutorial(project: Project, run_dir: str) -> None:
    """One subject across schedulers and styles, with and without LoRA."""
    project.dataset.trigger = TRIGGER
    calls: list[tuple[int, int]] = []
    result = grid(
        project,
        PROMPT,
        x="scheduler=euler_a,dpmpp_2m",
        y="prompt.style=Monet,Picasso,nobody",
        z="lora_weight=0,1",
        lora=run_dir,
        on_step=lambda done, total: calls.append((done, total)),
    )
    folder = result.plan.folder
    assert folder == project.root / "grids/portrait-of-tok-by-style_scheduler_style_lora_weight"
    assert result.drawn == 12
    assert calls[-1] == (24, 24)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    content = facts(result.plan)
    assert [axis["name"] for axis in content["axes"]] == [
        "scheduler", "prompt.style", "lora_weight",
    ]  # fmt: skip
    assert len(content["cells"]) == 12
    for cell in content["cells"]:
        assert cell["sha256"] == sha256_of(folder / cell["file"])
        assert cell["seconds"] > 0
        parameters = cell["parameters"]
        assert parameters["scheduler"] == cell["labels"]["scheduler"]
        assert parameters["prompt"] == f"portrait of {TRIGGER} by {cell['labels']['prompt.style']}"
        assert parameters["lora_weight"] == (cell["labels"]["lora_weight"] == "LoRA 1")
        assert parameters["prompt_weights"] is None, "the trigger's brackets are its own"
    files = {cell["file"] for cell in content["cells"]}
    assert len({pixels(folder / file).tobytes() for file in files}) == 12
    with Image.open(folder / "grid.png") as picture:
        assert picture.width > 2 * 256
        assert picture.height > 6 * 256


def test_a_cell_is_what_generate_draws(project: Project, run_dir: str) -> None:
    axes = {"x": "lora_weight=0,0.5", "y": "seed=3..4"}
    result = grid(project, "a (red:1.3) hat", **axes, lora=run_dir, batch_size=1)
    project.samples.seed = 4
    project.samples.lora_weight = 0.5
    (record,) = generate(project, prompts=["a (red:1.3) hat"], lora=run_dir, fuse=False)
    cell = next(cell for cell in result.plan.cells if cell.at == (1, 1))
    single = pixels(project.root / "samples" / record.file)
    assert np.array_equal(pixels(result.plan.folder / cell.file), single)
    # and each can be drawn again from what it carries
    notes: list[str] = []
    generate(project, like=result.plan.folder / cell.file, note=notes.append)
    assert any("pixel for pixel" in note for note in notes)


def test_nothing_is_drawn_twice(project: Project, run_dir: str) -> None:
    options: dict[str, Any] = {"y": "seed=0..1", "lora": run_dir}
    first = grid(project, "a hat", x="guidance=1,7", **options)
    assert first.drawn == 4
    before = facts(first.plan)
    again = grid(project, "a hat", x="guidance=1,7", **options)
    assert again.drawn == 0
    assert facts(again.plan) == before, "seconds are kept"
    grown = grid(project, "a hat", x="guidance=1,4,7", **options)
    assert (grown.plan.folder, grown.drawn) == (first.plan.folder, 2)
    cell = grown.plan.folder / grown.plan.cells[0].file
    cell.unlink()
    (grown.plan.folder / grown.plan.cells[1].file).with_suffix(".json").unlink()
    assert grid(project, "a hat", x="guidance=1,4,7", **options).drawn == 2
    assert grid(project, "another hat", x="guidance=1,4,7", **options).drawn == 6
    project.samples.negative_prompt = "blurry"
    assert grid(project, "a hat", x="guidance=1,4,7", **options).drawn == 6


def test_cells_that_come_to_the_same_share_a_picture(project: Project, run_dir: str) -> None:
    plan = plan_grid(project, "a hat", x="lora_weight=0,1", y="step=all,final", lora=run_dir)
    assert [value.label for value in plan.axes[1].values] == ["step 2", "step 4", "final"]
    assert (len(plan.cells), len(plan.files)) == (6, 4)
    loads = [tuple(lora.file.path.name for lora in loras) for loras, _ in plan.todo()]
    assert loads == [
        (),
        ("lora-step000002.safetensors",),
        ("lora-step000004.safetensors",),
        ("pytorch_lora_weights.safetensors",),
    ]
    assert draw_grid(plan).drawn == 4
    (bare,) = {cell.file for cell in plan.cells if not cell.loras}
    records = [cell["parameters"] for cell in facts(plan)["cells"] if cell["file"] == bare]
    assert all(record["loras"] == [] for record in records)


def test_a_picture_that_others_are_made_from_tells_cells_apart(
    tiny_kontext: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "from.png"
    (tmp_path / "hubtools.toml").write_text(
        f"[train]\npretrained_model_name_or_path = '{tiny_kontext}'\nresolution = 64\n"
        "[samples]\nvalidation_images = ['from.png']\n"
    )
    project = load_project(tmp_path / "hubtools.toml")

    def files() -> set[str]:
        return {cell.file for cell in plan_grid(project, "a dog", x="seed=1,2").cells}

    Image.new("RGB", (32, 32), "red").save(picture)
    red = files()
    assert len(red) == 2
    assert files() == red
    Image.new("RGB", (32, 32), "blue").save(picture)
    assert not red & files()


def test_slow_things_change_least(project: Project, run_dir: str) -> None:
    axes = {"x": "step=2,4", "y": "seed=0..1", "z": "lora_weight=0,0.5,1"}
    plan = plan_grid(project, "a hat", lora=run_dir, **axes)
    groups = [tuple((lora.file.step, lora.weight) for lora in loras) for loras, _ in plan.todo()]
    names = [tuple(lora.file.path.name[-7 - 6 : -12] for lora in g) for g, _ in plan.todo()]
    assert len(groups) == 5
    assert groups[0] == ()
    assert [steps for steps in names if steps] == sorted(steps for steps in names if steps)
    assert [len(cells) for _, cells in plan.todo()] == [2] * 5


def test_every_axis_reaches_the_picture(project: Project) -> None:
    def cells(x: str, prompt: str | None = "a hat") -> list[Any]:
        return [cell.shot for cell in plan_grid(project, prompt, x=x).cells]

    assert [(shot.width, shot.height) for shot in cells("size=64,64x96")] == [(64, 64), (64, 96)]
    assert [shot.steps for shot in cells("steps=1,2")] == [1, 2]
    assert [shot.prompt for shot in cells("prompt=a dog|a cat", None)] == ["a dog", "a cat"]
    assert [shot.negative_prompt for shot in cells("negative_prompt=|bad")] == [None, "bad"]
    found = cells("prompt.x= a|, b|", "hat{x}")
    assert [shot.prompt for shot in found] == ["hat a", "hat, b", "hat"]


def test_prompts_as_an_axis_with_places(project: Project) -> None:
    plan = plan_grid(project, x="prompt=a dog by {who}|a cat by {who}", y="prompt.who=Monet,nobody")
    assert [cell.shot.prompt for cell in plan.cells] == [
        "a dog by Monet", "a cat by Monet", "a dog by nobody", "a cat by nobody",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("prompt", "axes", "words"),
    [
        ("a hat", {"x": "lora_weight=0,1"}, "lora_weight needs a LoRA"),
        ("a hat", {"x": "step=2"}, "step needs a LoRA"),
        ("a hat", {"x": "seed=1", "y": "seed=2"}, "Two axes vary seed"),
        ("by {style}", {"x": "seed=1"}, "Nothing fills {style}"),
        ("a hat", {"x": "prompt.style=a,b"}, "no place {style}"),
        ("a hat", {"x": "prompt=a|b"}, "given and is an axis"),
        (None, {"x": "seed=1"}, "There is no prompt"),
        ("a hat", {"x": "seed=0..99", "y": "steps=1..99"}, "9,900 cells"),
    ],
)
def test_plans_that_make_no_sense(
    project: Project, prompt: str | None, axes: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        plan_grid(project, prompt, **axes)  # type: ignore[arg-type]


def test_steps_need_a_run_and_snapshots_that_exist(project: Project, run_dir: str) -> None:
    with pytest.raises(HubtoolsError, match="no snapshot of step 3"):
        plan_grid(project, "a hat", x="step=2,3", lora=run_dir)
    file = f"{run_dir}/pytorch_lora_weights.safetensors"
    with pytest.raises(UsageError, match="needs a run folder"):
        plan_grid(project, "a hat", x="step=2", lora=file)
    with pytest.raises(UsageError, match="axis and an option"):
        plan_grid(project, "a hat", x="step=2", lora=run_dir, step=4)


def test_a_scheduler_that_does_not_fit_is_told_before_anything_is_drawn(project: Project) -> None:
    with pytest.raises(UsageError, match="flow_euler does not fit"):
        grid(project, "a hat", x="scheduler=euler,flow_euler")
    assert not list(project.root.rglob("cells/*.png"))


def test_interrupted_it_goes_on(project: Project, run_dir: str) -> None:
    """Ctrl-C in the middle: exit code 130, what is drawn stays, the rest follows."""
    words = ["grid", "a hat", "--x", "seed=0..5", "--steps", "2", "--batch-size", "1"]
    words += ["--project", str(project.root)]
    cells = project.root / "grids/a-hat_seed/cells"
    stopped = doomed(RENAME, r"\.png'", *words, nth=3, sent=signal.SIGINT)
    assert stopped.returncode == 130, stopped.stderr
    assert "continues where it stopped" in stopped.stderr
    done = sorted(cells.glob("*.png"))
    assert 0 < len(done) < 6
    listed = json.loads((cells.parent / "grid.json").read_text())["cells"]
    assert sum(cell["drawn"] for cell in listed) == len(done)
    stamps = {path: path.stat().st_mtime_ns for path in done}
    finished = typed(*words)
    assert finished.returncode == 0, finished.stderr
    assert f"{len(done)} there already, {6 - len(done)} to draw" in finished.stderr
    assert all(path.stat().st_mtime_ns == stamps[path] for path in done)
    assert len(list(cells.glob("*.png"))) == 6


def test_a_large_grid_is_still_a_picture_one_can_open(project: Project, tmp_path: Path) -> None:
    from hubtools.inference.grid.picture import grid_picture

    for axes in ({"x": "seed=0..399"}, {"x": "seed=0..49", "y": "steps=1..40"}):
        plan = plan_grid(project, "a hat", **axes)  # type: ignore[arg-type]
        with Root(tmp_path) as root:
            grid_picture(plan, {}, root, 2048)
        with Image.open(tmp_path / "grid.png") as picture:
            assert picture.width <= 16_400
            assert picture.width * picture.height < 89_000_000, "Pillow would warn"


# --- looking at it -------------------------------------------------------------------------------


class Page(HTMLParser):
    """Addresses, tags and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        names = dict(attrs)
        self.addresses += [str(names[key]) for key in ("src", "href") if key in names]
        assert not any(name.startswith("on") for name in names)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


NASTY = "<img src=x onerror=alert(1)>\"'&</template></script>"


def test_the_page_needs_nothing_and_escapes_everything(project: Project) -> None:
    result = grid(project, f"a hat {{x}} {NASTY}", x=f"prompt.x=a|{NASTY}", y="size=64,192")
    text = (result.plan.folder / "index.html").read_text()
    page = Page(text)
    assert page.tags.count("img") == 4 + 1, "four cells and the large one"
    assert page.tags.count("script") == page.tags.count("style") == 1
    assert any(NASTY in " ".join(words.split()) for words in page.words)
    outside = [a for a in page.addresses if not a.startswith(("data:", "cells/"))]
    assert outside == []
    assert "://" not in text
    assert "data:image/png" in text
    assert "data:image/webp" in text
    assert all((result.plan.folder / a).is_file() for a in page.addresses if a[:6] == "cells/")


def test_a_blanked_cell_says_so(project: Project) -> None:
    result = grid(project, "a hat", x="seed=0..1")
    folder, file = result.plan.folder, result.plan.cells[0].file
    record = json.loads((folder / file).with_suffix(".json").read_text())
    (folder / file).with_suffix(".json").write_text(json.dumps(record | {"blanked": True}))
    notes: list[str] = []
    result = draw_grid(result.plan, note=notes.append)
    assert any("blanked" in note for note in notes)
    text = (folder / "index.html").read_text()
    assert text.count("blanked by the safety checker") == 1
    assert Page(text).tags.count("img") == 1 + 1


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_cell_opens_in_a_browser(project: Project, tmp_path: Path) -> None:
    """The script runs under the page's own policy."""
    result = grid(project, "a hat", x="seed=0..1", y="guidance=1,7")
    page = (result.plan.folder / "index.html").as_uri()
    with Browser(tmp_path) as browser:
        browser.open(f"{page}#1,1,0")
        browser.until("document.querySelector('dialog').open")
        seen = browser.html()
    dialog = seen[seen.index("<dialog") :]
    assert re.match(r"<dialog[^>]* open", dialog)
    assert "<strong>seed 1, guidance 7</strong>" in dialog
    assert 'src="data:image/png' in dialog


def test_words_are_wrapped_to_their_room() -> None:
    font = ImageFont.load_default(size=16)
    for text in ("one two three four five six seven", "a" * 200, "x " + "b" * 60 + " c", ""):
        lines = wrapped(text, font, 100, 3)
        assert len(lines) <= 3
        assert all(font.getlength(line) <= 100 for line in lines)
        if not any(line.endswith("...") for line in lines):
            assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrapped("漢字 é", font, 100) == ["漢字 é"]


def test_the_command(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["grid", "a hat", "--x", "seed=0..1", "--project", str(project.root)]
    assert run([*command, "--dry-run", "--format", "json"]) == 0
    captured = capfd.readouterr()
    found = json.loads(captured.out)
    assert (found["cells"], found["there"], found["to_draw"]) == (2, 0, 2)
    assert "2 cells: 0 there already, 2 to draw." in captured.err
    assert not (project.root / "grids").exists()
    # the project's finished run is the LoRA
    assert run([*command, "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["drawn"], found["blanked"]) == (2, 0)
    content = json.loads(Path(found["facts"]).read_text())
    assert content["cells"][0]["parameters"]["loras"][0]["name"] == "lora"
    assert run(["grid", "a hat", "--x", "sead=1", "--project", str(project.root)]) == 2
    assert "did you mean seed?" in capfd.readouterr().err
    assert run(["grid", "a hat"]) == 2
