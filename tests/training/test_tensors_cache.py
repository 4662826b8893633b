"""Files of tensors: equal bytes for equal content, damage noticed, nothing stale."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import forkserver

torch = pytest.importorskip("torch")

from hubtools.models.identity import identity_of  # noqa: E402
from hubtools.models.tensors import digest_tensors, read_tensors, write_tensors  # noqa: E402
from hubtools.training.cache import MAPPED, Cache  # noqa: E402

WRITE = """
import sys, torch
from pathlib import Path
from hubtools.models.tensors import write_tensors
write_tensors(Path(sys.argv[1]), {"b": torch.arange(6.).reshape(2, 3), "a": torch.ones(2)},
              {"z": "1", "y": "2", "x": "3"})
"""


def test_another_process_writes_the_same_bytes(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2), "b": torch.arange(6.0).reshape(2, 3)}
    write_tensors(tmp_path / "here", tensors, {"x": "3", "y": "2", "z": "1"})
    assert forkserver.call(tmp_path / "there", code=WRITE).returncode == 0
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool, torch.uint8]
)
def test_the_library_reads_what_we_write(tmp_path: Path, dtype: torch.dtype) -> None:
    from safetensors import safe_open

    tensors = {"x": torch.randn(3, 5).to(dtype), "scalar": torch.tensor(3.0)}
    write_tensors(tmp_path / "t", tensors, {"note": "ä"})
    with safe_open(tmp_path / "t", framework="pt") as file:
        assert file.metadata() == {"format": "pt", "note": "ä"}
        for name, tensor in tensors.items():
            assert torch.equal(file.get_tensor(name), tensor)
    read = read_tensors(tmp_path / "t")
    assert read is not None
    assert digest_tensors(read) == digest_tensors(tensors)


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_changed_byte_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "whole"
    if not whole.exists():
        write_tensors(whole, {"mean": torch.arange(12.0)}, checksum=True)
    content = bytearray(whole.read_bytes())
    start = content.index(b"sha256")  # what comes before is the bare format
    place = data.draw(st.integers(start, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "damaged").write_bytes(content)
    read = read_tensors(tmp_path / "damaged", verify=True)
    # blanks of the header's padding say nothing; all else must not pass
    assert read is None or torch.equal(read["mean"], torch.arange(12.0))


@pytest.mark.parametrize("size", [0, 7, 8, 60, -1])
def test_a_cut_file_is_noticed(tmp_path: Path, size: int) -> None:
    write_tensors(tmp_path / "t", {"mean": torch.arange(12.0)}, checksum=True)
    (tmp_path / "t").write_bytes((tmp_path / "t").read_bytes()[:size])
    assert read_tensors(tmp_path / "t", verify=True) is None
    assert read_tensors(tmp_path / "missing") is None


@pytest.fixture
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("_own_cache")
def test_an_entry_is_made_once_and_again_when_damaged() -> None:
    made = []

    def make() -> dict[str, torch.Tensor]:
        made.append(1)
        return {"mean": torch.full((3,), 7.0)}

    Cache("latents", "id").fetch("a", make)
    second = Cache("latents", "id")
    assert torch.equal(second.fetch("a", make)["mean"], torch.full((3,), 7.0))
    second.fetch("a", make)
    assert (second.found, second.made, len(made)) == (1, 0, 1)
    path = second.path("a")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # the last byte of the data: the format itself cannot tell
    path.write_bytes(content)
    third = Cache("latents", "id")
    assert torch.equal(third.fetch("a", make)["mean"], torch.full((3,), 7.0))
    assert (third.found, third.made, len(made)) == (0, 1, 2)
    assert read_tensors(path, verify=True) is not None
    assert Cache("latents", "other").fetch("a", make)
    assert len(made) == 3


def test_identity_is_of_class_configuration_and_weights() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 4)
    first = identity_of(layer)
    assert identity_of(layer) == first
    assert identity_of(layer, b"tokenizer") != first
    with torch.no_grad():
        layer.weight[0, 0] += 1e-6
    assert identity_of(layer) != first


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux tells what is mapped")
def test_large_entries_stay_mapped_and_small_ones_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process has 65,530 maps, and a dataset may have more entries; processes of a machine share
    the pages of large ones."""
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path))
    small, large = torch.arange(100.0), torch.arange(float(MAPPED // 4))
    for cache in (Cache("latents", "0" * 64), Cache("latents", "0" * 64)):  # made, then found
        entries = [
            cache.fetch(name, lambda value=value: {"mean": value})  # type: ignore[misc]
            for name, value in (("small", small), ("large", large))
        ]
        maps = Path("/proc/self/maps").read_text()
        assert str(cache.path("large")) in maps
        assert str(cache.path("small")) not in maps
        assert torch.equal(entries[0]["mean"], small)
        assert torch.equal(entries[1]["mean"], large)
    assert (cache.found, cache.made) == (2, 0)
