"""The notebook in examples/ runs from top to bottom, and what its cells end with shows itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import forkserver

pytest.importorskip("torch")

NOTEBOOK = Path(__file__).parents[2] / "examples/quickstart.ipynb"
# Cells as a kernel runs them: the last line of each is shown, by its _repr_html_ if it has one.
RUN = """
import ast, json, sys
names = {}
for source in json.loads(sys.argv[1]):
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        show = getattr(value, "_repr_html_", value.__repr__)
        print("SHOWN", json.dumps([type(value).__name__, show()]))
"""


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell.get("outputs") for cell in cells)  # it is kept without what it printed
    sources = json.dumps([c["source"] for c in cells if c["cell_type"] == "code"])
    done = forkserver.call(sources, code=RUN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    shown = [json.loads(line[6:]) for line in done.stdout.splitlines() if line[:6] == "SHOWN "]
    said = dict(shown)
    assert "people/dataset: " in said["Report"] or "no problems found" in said["Report"]
    assert "<table" in said["Report"]
    assert "8 of 8" in said["RunManifest"]
    assert 'src="data:image/png;base64,' in said["GridResult"]
    assert "21 pictures in people" in done.stdout
    assert "pytorch_lora_weights.safetensors" in shown[-1][1]
