from __future__ import annotations

from hubtools.dataset.edits.references import drop_records, learnt_by, references_in
from hubtools.dataset.edits.tables import Record, Table


def table(name: str) -> Table:
    rows = [{"file_name": f"{n}.png", "mask_file_name": "m.png", "text": "x"} for n in range(50)]
    made = Table(name, None, "jsonl")
    made.records = [Record(row) for row in rows]
    return made


def test_a_table_is_asked_once_what_its_pictures_to_learn_are() -> None:
    tables = [table("metadata.jsonl"), table("b/metadata.jsonl")]
    asked: list[str] = []

    def key_of(one: Table) -> str:
        asked.append(one.name)
        return "file_name"

    is_learnt = learnt_by(key_of)
    found = references_in(tables)
    assert all(
        is_learnt(place) for n in range(50) for place in found[f"{n}.png"] + found[f"b/{n}.png"]
    )
    assert not any(is_learnt(place) for place in found["m.png"] + found["b/m.png"])
    assert sorted(asked) == ["b/metadata.jsonl", "metadata.jsonl"]


def test_records_are_dropped_each_by_its_rule() -> None:
    one = table("metadata.jsonl")
    found = references_in([one])
    drop_records([(found["0.png"][0], "D401"), (found["7.png"][0], "D402")], "away")
    assert [record.values["file_name"] for record in one.records][:7] == [
        "1.png", "2.png", "3.png", "4.png", "5.png", "6.png", "8.png",
    ]  # fmt: skip
    assert len(one.records) == 48
