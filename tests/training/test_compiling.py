"""Compiled blocks: the same is learned, a stopped run goes on, and what cannot be is a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import UsageError  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training import compiler  # noqa: E402
from hubtools.training.compiler import check_compile  # noqa: E402
from hubtools.training.compiling import compile_blocks, repeated_blocks  # noqa: E402
from hubtools.training.cuda_graph import can_record  # noqa: E402
from hubtools.training.train import train  # noqa: E402

MakeProject = Callable[..., Project]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def learned(project: Project) -> tuple[dict[str, Any], list[str]]:
    notes: list[str] = []
    train(project, note=notes.append, skip_validation=True)
    found = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert found is not None
    return dict(found), notes


def test_a_compiled_run_learns_the_same_and_goes_on_as_if_it_had_not_stopped(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By PyTorch's tracing alone: a code generator takes its time."""
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "EAGER")
    usual: dict[str, Any] = {"max_train_steps": 4, "lr_scheduler": "constant"}
    plain, _ = learned(make_project(name="plain", **usual))
    whole, notes = learned(make_project(name="whole", compile_blocks=True, **usual))
    assert "Compiling BasicTransformerBlock (eager) in the first step." in notes
    assert any("repeated blocks compiled in the first step" in note for note in notes)
    assert max(float((plain[name] - whole[name]).abs().max()) for name in plain) < 1e-6
    parts = usual | {"name": "parts", "compile_blocks": True}
    learned(make_project(**parts | {"max_train_steps": 2}))
    continued, notes = learned(make_project(**parts))
    assert "Continuing after step 2." in notes
    assert all(torch.equal(whole[name], continued[name]) for name in whole)


@pytest.mark.parametrize("said", [None, "/elsewhere"])
def test_compiled_code_is_kept_where_no_other_user_writes(
    said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", said or "")
    if said is None:
        monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path))
    monkeypatch.setattr(compiler, "_lacks", lambda device: None)
    compiler.check_compile(TrainSettings(compile_blocks=True), CPU)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == (said or str(tmp_path / "inductor"))


class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return self.layer(x)


class Two(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.blocks = torch.nn.Linear(4, 4), torch.nn.ModuleList([Block(), Block()])

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        for block in self.blocks:
            x = block(x)
        return x


def test_blocks_that_cannot_be_compiled_run_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def broken(graph: Any, inputs: Any) -> Any:
        asked.append(len(inputs))
        raise RuntimeError("no such instruction: vfmadd\nand more")

    torch._dynamo.register_backend(broken, name="broken_here")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "broken_here")
    module, given, warned = Two(), torch.randn(2, 4), list[str]()
    plain = module(given)
    assert compile_blocks(module, variable=False, warn=warned.append) == ["Block"]
    with torch.no_grad():  # nothing is compiled for what is not trained
        assert torch.equal(module(given), plain)
    assert (asked, warned) == ([], [])
    assert torch.equal(module(given), plain)
    assert torch.equal(module(given), plain)
    (sentence,) = warned
    assert "could not be compiled, and run as they are" in sentence
    assert "no such instruction" in sentence
    assert "\n" not in sentence
    assert len(asked) == 1


def test_a_backend_that_pytorch_does_not_know_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUKTOR")
    with pytest.raises(UsageError, match="no backend 'induktor'"):
        compile_blocks(Two(), variable=False, warn=print)


def test_the_blocks_that_a_class_names_come_first() -> None:
    module = Two()
    assert list(repeated_blocks(module)) == list(module.blocks)
    module._repeated_blocks = ["Linear"]
    assert len(list(repeated_blocks(module))) == 3


def check(device: Any = CPU, **settings: Any) -> None:
    check_compile(TrainSettings(compile_blocks=True, **settings), device)


def test_without_a_compiler_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, make_project: MakeProject
) -> None:
    monkeypatch.delenv("ACCELERATE_DYNAMO_BACKEND", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"--compile needs a C\+\+ compiler") as caught:
        train(make_project(compile_blocks=True), dry_run=True, skip_validation=True)
    assert caught.value.code == "not-supported"
    monkeypatch.setenv("CXX", "my-c++")
    with pytest.raises(UsageError, match=r"my-c\+\+, which is not there"):
        check()
    (tmp_path / "my-c++").write_text("#!/bin/sh\n")
    (tmp_path / "my-c++").chmod(0o755)
    check()
    check_compile(TrainSettings(), torch.device("mps"))
    with pytest.raises(UsageError, match="this run is on mps"):
        check(torch.device("mps"))
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "aot_eager")
    check(torch.device("mps"))  # compiles nothing


@pytest.mark.parametrize("name", ["fsdp", "enable_xformers_memory_efficient_attention"])
def test_what_it_does_not_go_with_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=rf"--compile and {name} do not go together"):
        check(**{name: True})


def test_no_graph_is_recorded_of_compiled_blocks() -> None:
    assert can_record(TrainSettings(), CUDA, 1)
    assert not can_record(TrainSettings(compile_blocks=True), CUDA, 1)
