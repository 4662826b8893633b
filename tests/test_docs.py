"""Generated pages are those that the code would generate now."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

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
