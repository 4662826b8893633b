"""Tables that are written otherwise than a row a line: HTML and the XML of office documents, lists
of lists (reStructuredText, YAML), dumps of databases, columns below a ruler.

Each reader is given the lines of a text one by one, keeps a row at most, and says what is secret in
it by the head of its table: the time grows with the text, the memory does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hubtools.leaks.headers import Header, Known, header_of, is_name, may_tell
from hubtools.leaks.shapes import Secret
from hubtools.patterns import regex

_CELL = 2000  # characters of a cell that are kept
_CELLS = 400  # of a row


# What one of these tables begins with; most lines of most texts do not.
_WORDS = "COPY |CREATE |INSERT |REPLACE "
_BEGINS = regex(rf"\s*[-=*+]|{_WORDS}", re.IGNORECASE)
_BEGINS_A_LINE = regex(rf"^(?:[^\S\n]*[-=*+]|{_WORDS})", re.IGNORECASE | re.MULTILINE)


class Layouts:
    """All of these readers over one text."""

    def __init__(self, known: Known) -> None:
        self._html, self._lists = _Html(known), _Lists(known)
        self._dump, self._ruled = _Dump(known), _Ruled(known)
        self.open = False  # whether any line may belong to a table
        self.before = ""  # the last line

    def may(self, line: str) -> bool:
        """Whether the next line must be read; where not, it is to be kept as `before`."""
        return self.open or "<" in line or _BEGINS.match(line) is not None

    def may_any(self, lines: str) -> bool:
        """Whether one of the next lines must be read."""
        return self.open or "<" in lines or _BEGINS_A_LINE.search(lines) is not None

    def line(self, line: str) -> Iterator[Secret]:
        """What is secret in the rows that end with the next line."""
        if "<" in line or self._html.open:
            yield from self._html.line(line)
        if self._lists.open or _OPENS_LIST.match(line):
            yield from self._lists.line(line)
        yield from self._dump.line(line)
        yield from self._ruled.line(line, self.before)
        self.open = self._html.open or self._lists.open or self._dump.open or self._ruled.open

    def end(self) -> Iterator[Secret]:
        """What is secret in rows that the text's end ends."""
        yield from self._html.row()


class _Table:
    """The head of a table, if one was seen, and what is below."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.header: Header | None = None

    def below(self, cells: list[str]) -> Iterator[Secret]:
        """The next row, which is no head."""
        if self.header is not None:
            yield from self._known.judged(self.header, cells)

    def add(self, cells: list[str], *, headed: bool = False) -> Iterator[Secret]:
        """The next row; `headed`: it is known to be the head."""
        if not headed:
            yield from self.below(cells)
        if (header := header_of(cells, first=headed)) is not None or headed:
            self.header = header

    def beside(self, name: str, values: list[str]) -> Iterator[Secret]:
        """A row that has its name first."""
        for value in values:
            yield from self._known.cell(name, value)


_TAGS = regex(
    r"<(/?)(?:\w{1,12}:)?(tbl|table|tr|tc|td|th|table-row|table-cell)\b[^<>]{0,2000}>",
    re.IGNORECASE,
)
_TAG = regex(r"<[^<>]{0,2000}>")
_HTML_CELLS, _HTML_ROWS = ("td", "th", "tc", "table-cell"), ("tr", "table-row")


class _Html:
    """Cells with or without their end tags, on as many lines as they take."""

    def __init__(self, known: Known) -> None:
        self._table = _Table(known)
        self.open, self._cells, self._heads = False, list[str](), 0
        self._cell: str | None = None

    def line(self, line: str) -> Iterator[Secret]:
        new = not self._cells and self._cell is None and self._table.header is None
        if new and line[-8:].lower().endswith(("</tr>", "</table>")) and not may_tell(line):
            return  # whole rows below no head, of which none may be one
        end = 0
        for tag in _TAGS.finditer(line):
            self._text(line[end : tag.start()])
            end = tag.end()
            yield from self._tag(tag[2].lower(), closes=bool(tag[1]))
        self._text(line[end:])

    def _tag(self, name: str, *, closes: bool) -> Iterator[Secret]:
        if name in _HTML_CELLS:
            self._ends_cell()
            if not closes and len(self._cells) < _CELLS:
                self._cell = ""
                self._heads += name == "th"
            return
        yield from self.row()
        self.open = name in _HTML_ROWS or not closes
        if name not in _HTML_ROWS:
            self._table.header = None

    def _text(self, text: str) -> None:
        if self._cell is not None and len(self._cell) < _CELL:
            self._cell += _TAG.sub("", text[: 4 * _CELL]) + " "

    def _ends_cell(self) -> None:
        if self._cell is not None:
            self._cells.append(" ".join(self._cell[:_CELL].split()))
            self._cell = None

    def row(self) -> Iterator[Secret]:
        """What is secret in the row that ends here."""
        self._ends_cell()
        cells, heads = self._cells, self._heads
        self._cells, self._heads = [], 0
        if not cells:
            return
        if 0 < heads < len(cells) and is_name(cells[0].rstrip(" :")):
            yield from self._table.beside(cells[0].rstrip(" :"), cells[1:])
        yield from self._table.add(cells, headed=heads == len(cells))


# A list in a list: `* - name`, `- - name`.
_OPENS_LIST = regex(r"(\s{0,40}[-*+]\s{1,4})[-*+]\s{1,4}(.*)")
_ITEM = regex(r"(\s{1,44})[-*+]\s{1,4}(.*)")


class _Lists:
    """The first list of lists has the names of what is in the others."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.open, self._names, self._first, self._at, self._place = False, list[str](), "", 0, 0

    def line(self, line: str) -> Iterator[Secret]:
        opens = _OPENS_LIST.match(line)
        if opens is not None:
            if not self.open or len(opens[1]) != self._at:
                self.open, self._names, self._at = True, [], len(opens[1])
                self._first = line
            elif self._first:
                self._first = ""  # the head has ended
            self._place = 0
            yield from self._add(opens[2])
        elif (item := _ITEM.match(line)) is not None and len(item[1]) == self._at:
            self._place += 1
            yield from self._add(item[2])
        elif line[:1].strip():
            self.open = False

    def _add(self, cell: str) -> Iterator[Secret]:
        cell = cell.strip().strip("\"'`*")
        if self._first:
            if len(self._names) < _CELLS:
                self._names.append(cell[:_CELL])
        elif self._place < len(self._names) and is_name(name := self._names[self._place]):
            yield from self._known.cell(name, cell[:_CELL])


_TABLE = r"(?:ONLY\s+)?([\w$.\"`\[\]-]{1,200})"
_COPY = regex(rf"COPY\s+{_TABLE}\s*\(([^()]*)\)\s+FROM\s+STDIN(.*)", re.IGNORECASE)
_CREATE = regex(
    rf"CREATE\s+(?:\w{{1,20}}\s+){{0,2}}TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_TABLE}\s*\((.*)",
    re.IGNORECASE,
)
_INSERT = regex(
    rf"(?:INSERT|REPLACE)\s+(?:\w{{1,12}}\s+){{0,2}}?INTO\s+{_TABLE}\s*(?:\(([^()]*)\)\s*)?(?:VALUES)?\s*(?=\(|\Z)",
    re.IGNORECASE,
)
_MARK = regex(r"DELIMITER\s*(?:AS\s*)?'(\\t|.)'", re.IGNORECASE)
_COLUMN = regex(r"[\s,]*[\"`\[]?([A-Za-z_]\w{0,80})[\"`\]]?\s")
_NO_COLUMN = ("primary", "key", "unique", "constraint", "index", "foreign", "check", "fulltext")
# A string, in which a quote is doubled or escaped; signs; anything else.
_TOKEN = regex(r"'((?:[^'\\]|''|\\.)*+)'?|([(),;])|([^'(),;]+)", re.DOTALL)


class _Dump:
    """`COPY table (names) FROM stdin`, `INSERT INTO table`, with the names there or where the table
    was made."""

    def __init__(self, known: Known) -> None:
        self._table, self._tables = _Table(known), dict[str, list[str]]()
        self._what, self._made, self._mark = "", "", "\t"
        self._cells: list[str] | None = None

    @property
    def open(self) -> bool:
        """Whether the next line belongs to what began."""
        return bool(self._what)

    def line(self, line: str) -> Iterator[Secret]:
        if self._what == "copy":
            if line == "\\.":
                self._what = ""
            else:
                yield from self._table.below([cell.strip('"') for cell in line.split(self._mark)])
        elif self._what == "create":
            self._column(line)
        elif self._what == "insert" and not _INSERT.match(line):
            yield from self._rows(line)
        else:
            yield from self._begins(line)

    def _begins(self, line: str) -> Iterator[Secret]:
        self._what = ""
        if (copy := _COPY.match(line)) is not None:
            csv, mark = "csv" in copy[3].lower(), _MARK.search(copy[3])
            self._mark = mark[1].replace("\\t", "\t") if mark else "," if csv else "\t"
            self._opens("copy", _columns(copy[2]))
        elif (made := _CREATE.match(line)) is not None:
            self._what, self._made = "create", _bare(made[1])
            if len(self._tables) < _CELLS:
                self._tables[self._made] = []
            for part in made[2].split(","):
                self._column(part)
        elif (into := _INSERT.match(line)) is not None:
            names = _columns(into[2]) if into[2] else self._tables.get(_bare(into[1]), [])
            self._opens("insert", names)
            if self._what:
                yield from self._rows(line[into.end() :])

    def _opens(self, what: str, names: list[str]) -> None:
        self._table.header = header_of(names, first=True)
        self._what = what if self._table.header else ""
        self._cells = None

    def _column(self, line: str) -> None:
        names = self._tables.get(self._made, [])
        column = _COLUMN.match(line + " ")
        if column and column[1].lower() not in _NO_COLUMN and len(names) < _CELLS:
            names.append(column[1])
        if line.lstrip()[:1] == ")" or line.rstrip()[-1:] == ";":
            self._what = ""

    def _rows(self, line: str) -> Iterator[Secret]:
        for token in _TOKEN.finditer(line):
            text, sign, other = token.groups()
            if sign == "(" and self._cells is None:
                self._cells = [""]
            elif self._cells is None:
                if sign == ";":
                    self._what = ""
                    return
                if other and other.strip().upper() == "VALUES":
                    continue
            elif sign == ")":
                yield from self._table.below(self._cells)
                self._cells = None
            elif sign == "," and len(self._cells) < _CELLS:
                self._cells.append("")
            elif text is not None or other:
                self._cells[-1] = (self._cells[-1] + (text or other or "").strip())[:_CELL]


def _columns(names: str) -> list[str]:
    return [_bare(name) for name in names.split(",")]


def _bare(name: str) -> str:
    return name.strip().rpartition(".")[2].strip('"`[] ')


_WIDTH = 8000  # characters of a line
_RULER = regex(r"\s*([=-])\1+(?:\s+\1+)+\s*\Z")
_STROKES = regex(r"[=-]+")


class _Ruled:
    """Columns as wide as the strokes above or below their names."""

    def __init__(self, known: Known) -> None:
        self._table, self._spans = _Table(known), list[tuple[int, int | None]]()

    @property
    def open(self) -> bool:
        """Whether the next line may be a row."""
        return self._table.header is not None

    def line(self, line: str, before: str) -> Iterator[Secret]:
        if line.startswith(("=", "-", " ")) and _RULER.match(line[:_WIDTH]):
            starts = [stroke.start() for stroke in _STROKES.finditer(line[:_WIDTH])][:_CELLS]
            self._spans = list(zip(starts, [*starts[1:], None], strict=True))
            self._table.header = header_of(self._cells(before[:_WIDTH]), first=False)
        else:
            yield from self._table.below(self._cells(line[:_WIDTH]))

    def _cells(self, line: str) -> list[str]:
        return [line[start:end].strip() for start, end in self._spans]
