"""The dataset viewer: the rows that a loader reads, with figures, order, search and pages."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from starlette.responses import Response

from hubtools.findings import plural
from hubtools.localhub.http import Call
from hubtools.localhub.outlook import Cells, Column, Reading, Table
from hubtools.localhub.pages.card import about, listed, opens
from hubtools.localhub.pages.figures import as_text, drawn, figures_of, figures_of_sizes
from hubtools.localhub.pages.findings import counted, findings
from hubtools.localhub.pages.frame import View
from hubtools.localhub.pages.html import Html, cut, join, link, pager, path, scrolled, tag
from hubtools.localhub.problems import Problem

_ROWS = 50  # on a page
_LONG = 300  # letters of a cell
_COLUMNS = 60  # that are shown
_MOST_PICTURE = 64 << 20
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"), (b"BM", "image/bmp"),
)  # fmt: skip


def show(call: Call) -> Response:
    """A split, or what there is of them."""
    view = View.within(call)
    if view.judged is None:
        raise Problem(404, "This Hub was started without the checks that read a dataset.")
    try:
        reading = view.judged.dataset(view.snapshot)
    except Problem as problem:
        if problem.status not in (413, 422):
            raise
        return view.document("viewer", tag("div", tag("p", problem.message), class_="sheet"))
    table = _chosen(call, reading)
    hrefs = {name: view.href("blob", "main", name) for name in view.snapshot.files}
    return view.document(
        "viewer",
        _outcome(reading),
        _table(view, reading, table) if table is not None else None,
        findings(reading.findings, "What validate finds:", hrefs=hrefs),
        _lost(reading),
    )


def _outcome(reading: Reading) -> Html | None:
    """What is wrong with the whole, and that more is below; None if nothing is."""
    found = counted(reading.findings)
    below = tag("p", link("#findings", f"validate finds {found}"), class_="soft") if found else None
    if reading.outcome == "loads":
        return below
    said = tag("p", tag("strong", f"Loading: {reading.outcome}. "), reading.reason or "")
    return tag("div", said, below, class_="sheet wrong")


def _lost(reading: Reading) -> Html | None:
    if not reading.lost:
        return None
    rows = [tag("tr", tag("td", name), tag("td", why)) for name, why in reading.lost[:50]]
    more = len(reading.lost) - len(rows)
    return tag(
        "details",
        tag("summary", f"{plural(len(reading.lost), 'file')} that the loader leaves out"),
        scrolled(tag("table", *rows)),
        tag("p", f"and {more} more", class_="soft") if more else None,
        class_="sheet",
    )


def _chosen(call: Call, reading: Reading) -> Table | None:
    if "config" not in call.params:
        return next(iter(reading.tables), None)
    config, split = call.params["config"], call.params["split"]
    for table in reading.tables:
        if (table.config, table.split) == (config, split):
            return table
    raise Problem(404, f"This dataset has no split {split} in {config}.")


def _table(view: View, reading: Reading, table: Table) -> Html:
    call = view.call
    count = table.count
    if count and not table.told:
        listed = ", ".join(column.name for column in table.columns)
        said = f"{plural(count, 'row')} ({listed}), which this viewer does not read."
        return join(_splits(view, reading, table), tag("div", tag("p", said), class_="sheet"))
    columns = table.columns[:_COLUMNS]
    more = len(table.columns) - len(columns)
    names = [column.name for column in columns]
    asked = call.text("q")[:200]
    order = call.text("sort") if call.text("sort") in names else ""
    down = call.flag("desc")
    key = ("rows", table.config, table.split)
    if key not in reading.notes:
        reading.notes[key] = [table.row(number) for number in range(count or 0)]
    rows: list[Cells] = reading.notes[key]
    numbers = [n for n, row in enumerate(rows) if not asked or _has(row, asked.casefold())]
    if order:
        numbers.sort(key=lambda n: _rank(rows[n], order))
        if down:  # empty ones last, either way
            full = [n for n in numbers if _rank(rows[n], order)[0] < 2]
            numbers = full[::-1] + numbers[len(full) :]
    pages = max(1, -(-len(numbers) // _ROWS))
    page = min(call.number("p", 0, 1_000_000_000), pages - 1)
    here = view.href("viewer", table.config, table.split)
    asked_for = {"q": asked, "sort": order, "desc": "1" if down and order else ""}

    def to(**other: str) -> str:
        query = {name: value for name, value in (asked_for | other).items() if value}
        return f"{here}?{urlencode(query)}" if query else here

    heads = []
    for column in columns:
        on = column.name == order
        turned = "1" if on and not down else ""
        mark = (" ↓" if down else " ↑") if on else ""
        heads.append(
            tag(
                "th",
                link(to(sort=column.name, desc=turned), column.name, mark, title="sort"),
                tag("span", column.type, class_="soft type"),
                _figures(reading, table, column.name, rows),
                scope="col",
            )
        )
    shown = [
        _row(view, reading, columns, number, rows[number])
        for number in numbers[page * _ROWS : (page + 1) * _ROWS]
    ]
    body = tag("table", tag("thead", tag("tr", tag("th", "row"), *heads)), tag("tbody", *shown))
    total = "an unknown number of rows" if count is None else plural(count, "row")
    found = f"{len(numbers):,} of {total}" if asked else total
    return join(
        _splits(view, reading, table),
        tag(
            "form",
            tag("input", type="search", name="q", value=asked, placeholder="Search",
                aria_label="Search"),
            tag("input", type="hidden", name="sort", value=order) if order else None,
            tag("input", type="hidden", name="desc", value="1") if order and down else None,
            tag("button", "Search"),
            tag("span", found, class_="soft"),
            action=here, method="get", class_="ask",
        ),
        tag("div", scrolled(body), class_="sheet flush viewer"),
        tag("p", f"and {plural(more, 'column')} more", class_="soft") if more else None,
        pager(page, pages, lambda number: to(p=str(number))),
    )  # fmt: skip


def _splits(view: View, reading: Reading, table: Table) -> Html:
    """Links to all splits; the name of the configuration where there are several."""
    several = len({one.config for one in reading.tables}) > 1
    return tag(
        "p",
        *(
            link(
                view.href("viewer", one.config, one.split),
                f"{one.config} / {one.split}" if several else one.split,
                tag("span", "?" if one.count is None else f"{one.count:,}", class_="soft"),
                class_="chip here" if one is table else "chip",
            )
            for one in reading.tables
        ),
    )


def _figures(reading: Reading, table: Table, name: str, rows: Sequence[Cells]) -> Html:
    key = ("figures", table.config, table.split, name)
    if key not in reading.notes:
        if any(column.name == name and column.pictures for column in table.columns):
            firsts = [next(iter(row.pictures.get(name, ())), "") for row in rows]
            reading.notes[key] = figures_of_sizes([reading.sizes.get(one) for one in firsts])
        else:
            reading.notes[key] = figures_of(row.values.get(name) for row in rows)
    return drawn(reading.notes[key])


def _row(view: View, reading: Reading, columns: Sequence[Column], number: int, row: Cells) -> Html:
    facts = [
        (column.name, as_text(row.values.get(column.name)))
        for column in columns
        if not column.pictures
    ]
    cells = [tag("td", f"{number}", class_="size soft")]
    for column in columns:
        if not column.pictures:
            text = as_text(row.values.get(column.name))
            kind = "number" if column.type[:3] in ("int", "flo") else "words"
            cells.append(tag("td", cut(text, _LONG), class_=kind))
            continue
        files = row.pictures.get(column.name, ())
        shown = [_picture(view, reading, name, facts) for name in files[:4]]
        cells.append(tag("td", *shown, None if files else "no picture"))
    shown_row = tag("tr", *cells, class_="broken" if row.broken else None)
    if row.broken is None:
        return shown_row
    why = f"The loader stops at this row: {row.broken}"
    return join(shown_row, tag("tr", tag("td", why, colspan=str(len(cells)), class_="del")))


def _picture(view: View, reading: Reading, name: str, facts: list[tuple[str, str]]) -> Html:
    size = reading.sizes.get(name)
    told = [*facts, ("size", f"{size[0]}x{size[1]}")] if size else facts
    if name in view.snapshot.files:
        return join(opens(view.place, name, name), about(view.place, name, told))
    if size is None:
        return tag("span", name, class_="soft")
    address = view.href("cell", name)
    return join(
        link(address, tag("img", src=address, alt=name, loading="lazy"), class_="zoom"),
        tag("template", tag("strong", name), listed(told)),
    )


def _has(row: Cells, word: str) -> bool:
    return any(word in as_text(value).casefold() for value in row.values.values()) or any(
        word in name.casefold() for names in row.pictures.values() for name in names
    )


def _rank(row: Cells, name: str) -> tuple[int, float, str]:
    """Where a row stands in the order of a column: numbers, texts, and empty ones."""
    value = row.values.get(name)
    if value is None and name in row.pictures:
        value = next(iter(row.pictures[name]), None)
    if value is None or value != value:  # not a number
        return (2, 0.0, "")
    if isinstance(value, int | float):
        return (0, min(max(value, -1e300), 1e300), "")
    return (1, 0.0, as_text(value).casefold())


def cell(call: Call) -> Response:
    """A picture that lies in a shard or an archive."""
    view = View.within(call)
    name = call.params["path"]
    if view.judged is None:
        raise Problem(404, f"There is no {name}.")
    reading = view.judged.dataset(view.snapshot)
    data = b""
    if name in reading.sizes:
        try:
            with reading.open(name) as file:
                data = file.read(_MOST_PICTURE + 1)
        except OSError:
            data = b""
    kind = next((kind for start, kind in _KINDS if data.startswith(start)), None)
    if kind is None or len(data) > _MOST_PICTURE:
        raise Problem(404, f"There is no picture {name} in {path(view.repo.full_name)[1:]}.")
    policy = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(data, headers={"Content-Type": kind, "Cache-Control": "no-store", **policy})
