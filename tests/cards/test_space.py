"""The Space of a LoRA: an app that runs, made of what the card says, pushed like all else."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import types
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

from huggingface_hub import HfApi

import hubtools
from hubtools.cards.model_facts import model_facts
from hubtools.cards.space import MARK, app, readme, requirements, space_name, write_space
from hubtools.errors import HubtoolsError, UsageError
from hubtools.layout import LORA_WEIGHTS
from hubtools.localhub.server import Hub
from hubtools.lorafile.companions import Companion, adapter_name
from hubtools.models.registry import SUPPORTED
from hubtools.project import Project
from hubtools.publish.classify import classify
from hubtools.rooted import Root
from hubtools.settings import ModelSettings, TrainSettings
from hubtools.weights import Header, Holds

EVIL = "it's \"quoted\"\n'''\n{x} \\ <!-- <script> `tick` 雨"


@pytest.mark.parametrize("name", ["README.md", "app.py", "requirements.txt"])
def test_what_somebody_saves_before_its_sum_is_noted(
    run_dir: Path, project: Project, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, edited = Root.write_over, list[bytes]()

    def written(root: Root, one: str, *more: Any) -> None:
        real(root, one, *more)
        if one == name and not edited:
            edited.append((root.path / one).read_bytes() + b"\n# mine\n")
            (root.path / one).write_bytes(edited[0])

    monkeypatch.setattr(Root, "write_over", written)
    write_space(run_dir, project)
    again = write_space(run_dir, project)
    (kept,) = again.replaced
    assert (run_dir / "space" / kept).read_bytes() == edited[0]
    assert write_space(run_dir, project).replaced == ()


@pytest.mark.parametrize("family", sorted(SUPPORTED))
def test_every_family_gets_an_app_that_its_pipelines_take(
    family: str, run_dir: Path, project: Project
) -> None:
    import diffusers

    card, shown = model_facts(run_dir, project)
    support = SUPPORTED[family]
    tree = ast.parse(app(card, shown[0].record, support, "1" * 40))
    (call,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "pipeline"
    )
    told = {str(word.arg) for word in call.keywords}
    for name in support.pipelines:
        if hasattr(diffusers, name):
            takes = inspect.signature(getattr(diffusers, name).__call__).parameters
            assert told <= set(takes), name
    # `spaces` must come before whatever may touch a GPU
    imported = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [getattr(one, "module", None) or one.names[0].name for one in imported]
    assert names.index("spaces") < names.index("torch")
    (draw,) = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    assert ast.unparse(draw.decorator_list[0]) == "spaces.GPU"


def test_words_of_a_card_are_words(run_dir: Path, project: Project) -> None:
    titled = project.model_copy(update={"model": ModelSettings(repo="me/people-lora", title=EVIL)})
    card, shown = model_facts(run_dir, titled)
    record = shown[0].record.model_copy(
        update={"prompt": EVIL, "scheduler": "x", "scheduler_class": "os.x"}
    )
    tree = ast.parse(app(card, record, None, EVIL))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert EVIL in texts
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "os"]
    front, _, body = readme(card).removeprefix("---\n").partition("\n---\n")
    said = yaml.safe_load(front)
    assert said["sdk"] == "gradio"
    assert said["models"] == ["me/people-lora", card.base_model]
    assert len(said["title"]) <= 60
    assert "<script>" not in body
    pinned = requirements({"diffusers": "0.40.0+cpu", "peft": "1; os_name=='x'", "torch": "9"})
    assert "diffusers==0.40.0\n" in pinned
    assert "os_name" not in pinned
    assert {line.partition("==")[0] for line in pinned.split()} >= {"spaces", "torch", "peft"}


def test_a_space_is_pushed_like_all_else(
    local_hub: Hub, run_dir: Path, project: Project, make_lora_file: Callable[..., Path]
) -> None:
    place, repo = run_dir / "space", "me/people-lora-demo"
    shown = hubtools.plan_push(run_dir, project=project, space=True, only_shown=True)
    assert (shown.repo, shown.repo_type) == (repo, "space")
    assert {file.name for file in shown.files} == {"README.md", "app.py", "requirements.txt"}
    assert not place.exists()
    # as a push leaves it that was killed before its commit
    HfApi().create_repo(repo, repo_type="space", space_sdk="gradio", private=True)
    plan = hubtools.plan_push(run_dir, project=project, space=True)
    assert plan.report.ok, plan.report
    assert any("not on the Hub yet" in note for note in plan.notes)
    done = hubtools.push(plan=plan)
    assert (done.pushed, done.verified) == (3, 3)
    info = HfApi().space_info(repo)
    assert info.private
    assert info.card_data is not None
    assert info.card_data["models"][0] == "me/people-lora"
    # what a person has made his own stays; the rest is made anew
    mine = (place / "app.py").read_text().replace(MARK, "mine") + "# more\n"
    (place / "app.py").write_text(mine)
    (place / "requirements.txt").write_text(f"# {MARK}\nold\n")
    for only_shown in (True, False):
        again = hubtools.plan_push(run_dir, project=project, space=True, only_shown=only_shown)
        assert again.report.ok, again.report
        assert [file.name for file in again.changes] == ["app.py"]
    hubtools.push(plan=again)
    assert (place / "app.py").read_text() == mine
    assert "old" not in (place / "requirements.txt").read_text()
    (kept,) = (place / ".hubtools/replaced").rglob("*.txt")
    assert kept.read_text().endswith("\nold\n")
    assert any(str(kept.relative_to(place)) in note for note in again.notes)
    undone = hubtools.undo_push(run_dir, project=project, space=True)
    assert undone.restored == 1
    # a push of the LoRA leaves it out
    make_lora_file(run_dir / LORA_WEIGHTS)
    assert not [item for item in classify(run_dir).kept if item.path.startswith("space/")]


def test_what_makes_no_space_says_so(
    run_dir: Path, project: Project, rebase: Callable[..., None], tmp_path: Path
) -> None:
    nameless = project.model_copy(update={"model": ModelSettings()})
    assert space_name(nameless) is None
    with pytest.raises(UsageError, match="No repository is set for the space"):
        hubtools.plan_push(run_dir, project=nameless, space=True)
    with pytest.raises(UsageError, match="no repository is set for it"):
        hubtools.plan_push(run_dir, "me/demo", nameless, space=True)
    with pytest.raises(HubtoolsError, match="no run folder"):
        hubtools.plan_push(tmp_path, "me/demo", project, space=True)
    with pytest.raises(UsageError, match="leave --type out"):
        hubtools.plan_push(run_dir, project=project, space=True, type="model")
    rebase(run_dir, id=None, license="mit")
    local = project.model_copy(
        update={
            "train": TrainSettings(),
            "model": ModelSettings(repo="me/people-lora"),
        }
    )
    with pytest.raises(HubtoolsError, match="no public name"):
        write_space(run_dir, local)


class _Anything(types.ModuleType):
    """In place of a library that draws pages: whatever is asked of it is there, and does nothing.
    `spaces.GPU` gives back the function that it decorates."""

    def __getattr__(self, name: str) -> Any:
        if name == "GPU":
            return lambda function: function
        return _Part()


class _Part:
    def __call__(self, *args: Any, **kwargs: Any) -> _Part:
        return self

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __getattr__(self, name: str) -> _Part:
        return self


def test_the_app_draws(
    local_hub: Hub,
    run_dir: Path,
    project: Project,
    rebase: Callable[..., None],
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Base and LoRA come from the Hub, as on a Space; the pages are gradio's where it is there."""
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    unet = UNet2DConditionModel.from_pretrained(tiny_base, subfolder="unet")
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_k", "to_q"], init_lora_weights=False))
    StableDiffusionPipeline.save_lora_weights(
        run_dir, get_peft_model_state_dict(unet), weight_name=LORA_WEIGHTS
    )
    rebase(run_dir, id="me/base", revision=None, license="mit")
    local_hub.store.mount("model", "me/base", tiny_base)
    local_hub.store.mount("model", "me/people-lora", run_dir)
    space = write_space(run_dir, project)
    for name in ("gradio", "spaces"):
        if importlib.util.find_spec(name) is None:
            monkeypatch.setitem(sys.modules, name, _Anything(name))
    there: dict[str, Any] = {"__name__": "space_app"}
    exec(compile(space.files["app.py"], "app.py", "exec"), there)  # noqa: S102
    one, seed = there["draw"]("a tok", "blurry", 3, 2, 5.0, 1.0)
    assert (one.size, seed) == ((64, 64), 3)
    assert there["draw"]("a tok", "blurry", 3, 2, 5.0, 1.0)[0].tobytes() == one.tobytes()
    assert there["draw"]("a tok", "blurry", 3, 2, 5.0, 0.0)[0].tobytes() != one.tobytes()
    assert there["draw"]("a tok", "", -1, 2, 5.0, 1.0)[1] >= 0


def test_an_app_loads_every_file_of_a_release(run_dir: Path, project: Project) -> None:
    card, shown = model_facts(run_dir, project)
    words = Header(Holds.EMBEDDING, {"<mood>": {"dtype": "F32", "shape": [1, 8]}}, {})
    beside = (
        Companion("light.v2.safetensors", "adapter", Header(Holds.LORA, {}, {})),
        Companion("mood.safetensors", "embedding", words),
    )
    made = app(replace(card, companions=beside), shown[0].record, SUPPORTED[card.family], None)
    ast.parse(made)
    for name in (card.weights, "light.v2.safetensors", "mood.safetensors"):
        assert made.count(f"weight_name='{name}'") == 1, name
    names = f"['{adapter_name(card.weights)}', 'light_v2']"
    assert f"set_adapters({names}, [float(weight)] * 2)" in made
