"""Training on a CUDA GPU: every precision, recorded and not, stopped and continued."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.hub.errors import as_sentence  # noqa: E402
from hubtools.journey.example import write_example  # noqa: E402
from hubtools.manifest import RunManifest  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.training import loop  # noqa: E402
from hubtools.training.cuda_graph import GraphedStep  # noqa: E402
from hubtools.training.metrics import read_metrics  # noqa: E402
from tests.gpu.runs import difference, project_of, run, run_on_cpu  # noqa: E402

PRECISIONS = ["no", "fp16", "bf16"]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[GraphedStep]:
    """Every `GraphedStep` that a training makes."""
    made: list[GraphedStep] = []

    class Noted(GraphedStep):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    monkeypatch.setattr(loop, "GraphedStep", Noted)
    return made


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("graph", [True, False])
def test_every_precision(
    tiny_base: Path, pictures: Path, tmp_path: Path, precision: str, graph: bool
) -> None:
    settings = {"mixed_precision": precision, "cuda_graph": graph, "max_train_steps": 20}
    project = project_of(tiny_base, pictures, tmp_path / "run", **settings)
    lora = run(project)
    assert all(
        tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in lora.values()
    )
    assert any(tensor.abs().max() > 0 for name, tensor in lora.items() if ".up." in name)
    metrics = read_metrics(project.run_dir)
    assert [metric.step for metric in metrics] == list(range(1, 21))
    # fp16 may skip a step or two while its scale is found, and says so by having no norm
    assert sum(metric.grad_norm is None for metric in metrics) <= (4 if precision == "fp16" else 0)
    manifest = RunManifest.read(project.run_dir)
    assert manifest.device == torch.cuda.get_device_name()
    assert manifest.dtype == {"no": "float32", "fp16": "float16", "bf16": "bfloat16"}[precision]


@pytest.mark.parametrize("kind", ["nf4", "int8", "fp8"])
def test_a_quantised_base_learns_nearly_the_same(
    tiny_base: Path, pictures: Path, tmp_path: Path, kind: str
) -> None:
    settings = {"max_train_steps": 20, "mixed_precision": "bf16"}
    whole = run(project_of(tiny_base, pictures, tmp_path / "whole", **settings))
    held = run(project_of(tiny_base, pictures, tmp_path / "held", quantize=kind, **settings))
    far = difference(whole, held)
    print(f"{kind}: {far:.2g} of the largest weight from the whole base's")
    assert 0 < far < 0.5


def test_the_default_precision_is_bf16(tiny_base: Path, pictures: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_bf16_supported(including_emulation=False):
        pytest.skip("this GPU has no bf16")
    project = project_of(tiny_base, pictures, tmp_path / "run", max_train_steps=2)
    run(project)
    assert RunManifest.read(project.run_dir).dtype == "bfloat16"


def test_it_learns(tmp_path: Path) -> None:
    """Measured with fixed noise on the pictures it was trained on."""
    from hubtools.dataset.examples import read_examples
    from hubtools.evaluation.denoising import encode, losses
    from hubtools.inference.adapters import apply_lora, remove_loras
    from hubtools.inference.lora import resolve_lora
    from hubtools.models.base import resolve_base
    from hubtools.models.families.stable_diffusion import StableDiffusion
    from hubtools.tinypeople import MODEL

    data = tmp_path / "data"
    write_example(data)
    project = project_of(
        MODEL, data, tmp_path / "run", resolution=128, max_train_steps=200, train_batch_size=8,
        rank=16, mixed_precision="bf16",
    )  # fmt: skip
    project.dataset.caption_column = "prompt"
    run(project)
    family, base = StableDiffusion(), resolve_base(str(MODEL))
    model = family.load(
        base, family.info(MODEL, None), variant=None, dtype=torch.float32, noise=NoiseOptions(5.0)
    )
    model.pipeline.to("cuda")
    encoded = encode(family, model, read_examples(data, "prompt"), 128)
    before = losses(model, encoded, "cuda")
    apply_lora(model.pipeline, resolve_lora(str(project.run_dir)), 1.0)
    after = losses(model, encoded, "cuda")
    remove_loras(model.pipeline)
    print(f"denoising loss {before.mean():.4f} -> {after.mean():.4f}")
    assert after.mean() < 0.93 * before.mean()
    assert (after < before).mean() > 0.9


RECORDED: dict[str, dict[str, Any]] = {
    "plain": {},
    "batch of two, the last of an epoch smaller": {"train_batch_size": 2},
    "accumulation": {"train_batch_size": 1, "gradient_accumulation_steps": 3},
    "mirrored, empty captions, offset noise": {
        "random_flip": True, "caption_dropout": 0.5, "noise_offset": 0.1,
    },
    "prior": {"with_prior_preservation": True, "class_prompt": "photo of a cat"},
    "fp16": {"mixed_precision": "fp16"},
    "float32": {"mixed_precision": "no"},
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_step_learns_the_same(
    tiny_base: Path, pictures: Path, tmp_path: Path, recorded: list[GraphedStep], name: str
) -> None:
    loras = []
    for graph in (True, False):
        folder = tmp_path / f"graph-{graph}"
        settings = {"cuda_graph": graph, **RECORDED[name]}
        loras.append(run(project_of(tiny_base, pictures, folder, **settings)))
        passes = recorded.pop()
        assert (passes.graph is not None) is graph, passes.problem
    far = difference(*loras)
    print(f"{name}: recorded and not differ by {far:.2g}")
    assert far < 2e-2


@pytest.mark.parametrize(
    "settings", [{"gradient_checkpointing": True}, {"lora_dropout": 0.3}], ids=str
)
def test_what_cannot_be_recorded_runs(
    tiny_base: Path,
    pictures: Path,
    tmp_path: Path,
    recorded: list[GraphedStep],
    settings: dict[str, Any],
) -> None:
    found = run(project_of(tiny_base, pictures, tmp_path / "run", **settings))
    assert recorded.pop().graph is None
    assert all(tensor.isfinite().all() for tensor in found.values())


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_stopped_run_ends_as_if_it_had_not_stopped(
    tiny_base: Path, pictures: Path, tmp_path: Path, precision: str
) -> None:
    settings = {"mixed_precision": precision, "checkpointing_steps": 3, "max_train_steps": 10}
    whole, again, broken = (
        project_of(tiny_base, pictures, tmp_path / name, **settings)
        for name in ("whole", "again", "broken")
    )
    first, second = run(whole), run(again)
    run(broken, stop_at=5)
    third = run(broken)
    steps = [metric.step for metric in read_metrics(broken.run_dir)]
    assert steps == list(range(1, 11))
    chance, resumed = difference(first, second), difference(first, third)
    print(f"{precision}: twice the same differs by {chance:.2g}, resumed by {resumed:.2g}")
    assert resumed <= max(1e-2, 10 * chance)


def test_a_state_goes_from_cpu_to_gpu_and_back(
    tiny_base: Path, pictures: Path, tmp_path: Path
) -> None:
    """float32 on both sides: another precision is another run, and refused."""
    settings = {"mixed_precision": "no", "allow_tf32": False, "checkpointing_steps": 3}
    gpu = project_of(tiny_base, pictures, tmp_path / "gpu", **settings)
    only_gpu = run(gpu)
    from_cpu = project_of(tiny_base, pictures, tmp_path / "from-cpu", **settings)
    run_on_cpu(tiny_base, pictures, from_cpu.run_dir, stop_at=4, **settings)
    assert (from_cpu.run_dir / "state" / "step-000003").is_dir()
    assert difference(only_gpu, run(from_cpu)) < 1e-2
    to_cpu = project_of(tiny_base, pictures, tmp_path / "to-cpu", **settings)
    run(to_cpu, stop_at=4)
    run_on_cpu(tiny_base, pictures, to_cpu.run_dir, **settings)
    assert difference(only_gpu, run(to_cpu)) < 1e-2  # it is finished; nothing is trained
    assert RunManifest.read(to_cpu.run_dir).device == "cpu"


def test_samples_along_the_way(tiny_base: Path, pictures: Path, tmp_path: Path) -> None:
    warned: list[str] = []
    project = project_of(
        tiny_base, pictures, tmp_path / "run", validation_steps=4, samples={"prompts": ["a tok"]}
    )
    from hubtools.progress import PlainReporter
    from hubtools.training.train import train

    train(
        project,
        skip_validation=True,
        reporter=PlainReporter(lambda sentence: None, warned.append),
    )
    assert warned == []
    drawn = sorted(path.name for path in (project.run_dir / "samples").glob("*.png"))
    assert [name.split("_")[0] for name in drawn] == ["step000000", "step000004", "step000008"]
    record = json.loads((project.run_dir / "samples" / drawn[-1]).with_suffix(".json").read_text())
    assert record["device"] == "cuda"
    plain = project_of(tiny_base, pictures, tmp_path / "plain")
    assert difference(run(plain), run(project)) < 1e-2  # sampling changes nothing that follows


def test_memory_that_runs_out_is_a_sentence() -> None:
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(1 << 44, dtype=torch.uint8, device="cuda")
    sentence = as_sentence(caught.value)
    assert sentence is not None
    assert "out of memory" in sentence.message


def test_cached_latents_do_not_depend_on_the_run_before(tiny_base: Path) -> None:
    """PyTorch's convolutions are TF32 by default, and stay so for the next run in a process."""
    from hubtools.models.base import resolve_base
    from hubtools.models.families.stable_diffusion import StableDiffusion
    from hubtools.training.device import encode_exactly

    family, base = StableDiffusion(), resolve_base(str(tiny_base))
    model = family.load(
        base, family.info(tiny_base, None), variant=None, dtype=torch.bfloat16, noise=NoiseOptions()
    )
    picture = torch.rand((3, 64, 64), generator=torch.Generator().manual_seed(1)) * 2 - 1
    on_cpu = model.encode_picture(picture), model.encode_caption("photo of a tok")
    for encoder in model.encoders():
        encoder.to("cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    encode_exactly(torch.device("cuda"))
    on_gpu = model.encode_picture(picture), model.encode_caption("photo of a tok")
    for mine, theirs in zip(on_cpu, on_gpu, strict=True):
        for key, value in mine.items():
            assert torch.allclose(value, theirs[key], rtol=1e-3, atol=1e-4)
