"""What the page may ask for, by address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hubtools.dataset.thumbnails import LARGE, SMALL, Renderer
from hubtools.findings import plural
from hubtools.layout import EXCLUDED_DIR
from hubtools.loopback import Answer, Files
from hubtools.reviewing.history import history
from hubtools.reviewing.pending import Key, Value, checked_key, checked_value, is_caption
from hubtools.reviewing.planning import Planned
from hubtools.reviewing.session import Session
from hubtools.reviewing.wording import edit_of, over

_LINES = 3000  # of a diff
_SHOWN = 300  # captions of a preview
_WORDS = 300  # letters of a caption in a sentence


class Api:
    """Answers for one session."""

    def __init__(self, session: Session, renderer: Renderer) -> None:
        self.session, self.renderer = session, renderer
        self._files = Files("hubtools.reviewing")
        self._gets: dict[str, Callable[[list[str]], Answer | None]] = {
            "set": self._set,
            "findings": self._findings,
            "state": self._state,
            "history": lambda _: Answer.json(history(self.session.folder)),
            "small": lambda rest: self._picture(rest, SMALL),
            "large": lambda rest: self._picture(rest, LARGE),
            "beside": self._beside,
            "about": self._about,
            "excluded": self._excluded,
        }
        self._posts: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "change": self._change,
            "many": self._many,
            "back": lambda _: self._step(forth=False),
            "forth": lambda _: self._step(forth=True),
            "plan": lambda _: Answer.json(_shown(self.session.plan())),
            "apply": lambda sent: _done(self.session.apply(str(sent["digest"]))),
            "settle": self._settle,
            "look": self._look,
            "undo": lambda sent: _done(self.session.take_back(sent.get("id"))),
            "finish": lambda _: _done(self.session.go_on()),
        }

    def get(self, parts: list[str]) -> Answer | None:
        """The page's files, pictures and data."""
        if (file := self._files.get(parts)) is not None:
            return file
        found = self._gets.get(parts[0])
        return found(parts[1:]) if found else None

    def post(self, parts: list[str], sent: Mapping[str, Any]) -> Answer | None:
        """Changes of what is pending, and of the folder where that is said."""
        found = self._posts.get(parts[0]) if len(parts) == 1 else None
        return found(sent) if found else None

    # --- looking -----------------------------------------------------------------------------

    def _set(self, rest: list[str]) -> Answer:
        return Answer.json(self.session.everything())

    def _findings(self, rest: list[str]) -> Answer:
        session = self.session
        return Answer.json(
            {"version": session.version, "report": session.report, "failed": session.failed}
        )

    def _state(self, rest: list[str]) -> Answer:
        session = self.session
        return Answer.json(
            {
                "version": session.version,
                "changed": list(session.changed_outside()[:20]),
                "checked": session.report is not None or session.failed is not None,
                "unkept": session.unkept,
            }
        )

    def _picture(self, rest: list[str], side: int) -> Answer | None:
        """`small/PLACE/ID`: the place in the list of this version, and what must lie there."""
        name = self._named(rest)
        return self._drawn(name, side) if name is not None else None

    def _beside(self, rest: list[str]) -> Answer | None:
        """`beside/PLACE/ID/NUMBER`: a control picture or a mask of a picture."""
        name = self._named(rest[:2])
        beside = self.session.beside(name) if name is not None else []
        number = int(rest[2]) if len(rest) == 3 and rest[2].isdecimal() else len(beside)
        return self._drawn(beside[number], LARGE) if number < len(beside) else None

    def _named(self, rest: list[str]) -> str | None:
        names, looked = self.session.names, self.session.looked
        if len(rest) != 2 or not rest[0].isdecimal() or int(rest[0]) >= len(names):
            return None
        name = names[int(rest[0])]
        return name if looked.pictures[name].digest[:16] == rest[1] else None

    def _drawn(self, name: str, side: int) -> Answer | None:
        looked = self.session.looked
        facts = looked.pictures.get(name)
        if facts is None or name not in looked.listing.names:
            return None
        made = self.renderer.jpeg(looked.listing, name, side, facts.digest)
        return Answer(made, "image/jpeg", kept=True) if made is not None else None

    def _excluded(self, rest: list[str]) -> Answer | None:
        """`excluded/NUMBER/VERSION`: a picture that was set aside."""
        names = list(self.session.excluded)
        if len(rest) != 2 or not rest[0].isdecimal() or int(rest[0]) >= len(names):
            return None
        name = f"{EXCLUDED_DIR}/{names[int(rest[0])]}"
        version = f"of version {self.session.version}"
        made = self.renderer.jpeg(self.session.looked.listing, name, SMALL, version)
        return Answer(made, "image/jpeg") if made is not None else None

    def _about(self, rest: list[str]) -> Answer | None:
        name = self._named(rest)
        return Answer.json(self.session.picture(name)) if name is not None else None

    # --- changing ----------------------------------------------------------------------------

    def _change(self, sent: Mapping[str, Any]) -> Answer:
        changes = {checked_key(key): self._value(key, value) for key, value in sent["changes"]}
        self._check_there(changes)
        what = str(sent.get("what", "change"))[:200]
        with self.session.lock:
            crossed = self._crossed(changes, sent.get("seen"))
            joining = sent.get("typing") is True and not crossed  # undo brings the other's words
            told = self.session.change(changes, what, joining=joining)
        shown = {"changes": told, "crossed": crossed, "unkept": self.session.unkept}
        return Answer.json(shown)

    def _crossed(self, changes: Mapping[Key, Value | None], seen: Any) -> list[list[Any]]:
        """[key, what it was to become] of captions and points that another page has changed since
        the one that asks has `seen` their entries; None for what is as in the folder again."""
        found: list[list[Any]] = []
        for (key, value), known in zip(
            changes.items(), seen if isinstance(seen, list) else (), strict=False
        ):
            there, absent = self.session.pending.entries.get(key), object()
            was, now, wanted = (
                entry.get("after", absent) if isinstance(entry, dict) else absent
                for entry in (known, there, value)
            )
            if key[0] in ("caption", "focus") and now not in (was, wanted):
                found.append([list(key), None if now is absent else _words(now)])
        return found

    @staticmethod
    def _value(key: Any, value: Any) -> Value | None:
        if value is None:
            return None
        if isinstance(value, dict):  # the session knows what is in the folder
            value = value | {"before": None, "digest": ""}
        return checked_value(key, value)

    def _check_there(self, changes: Mapping[Key, Value | None]) -> None:
        """Raises `ValueError` for a picture that is not in the set; entries of one that is gone may
        be taken back."""
        for key, value in changes.items():
            known = self.session.excluded if key[0] == "again" else self.session.places
            if key[0] != "fix" and value is not None and key[1] not in known:
                raise ValueError(f"{key[1]!r} is not in the set")

    def _many(self, sent: Mapping[str, Any]) -> Answer:
        """One change of the captions of many pictures; with `preview` only what it would do."""
        session, column = self.session, str(sent["column"])
        edit = edit_of(sent["edit"], session.looked.settings.trigger)
        names = [str(name) for name in sent["names"]]
        found: dict[Key, tuple[Any, Any]] = {}
        for name in names:
            before = session.current(name, column)
            if is_caption(before):
                after = over(before, edit)
                if (after or "") != (before or ""):
                    found["caption", name, column] = (before, after)
        if sent.get("preview"):
            some = list(found.items())[:_SHOWN]
            shown = [[key[1], before, after] for key, (before, after) in some]
            return Answer.json({"shown": shown, "count": len(found), "of": len(names)})
        changes: dict[Key, Value | None] = {
            key: checked_value(key, {"before": None, "after": after})
            for key, (_, after) in found.items()
        }
        self._check_there(changes)
        if not changes:
            return self._pending([])
        told = session.change(changes, f"change {plural(len(changes), 'caption')}")
        return self._pending(told)

    def _step(self, *, forth: bool) -> Answer:
        found = self.session.step(forth)
        if found is None:
            return Answer.json({"what": None, "changes": [], "unkept": self.session.unkept})
        what, told = found
        return Answer.json({"what": what, "changes": told, "unkept": self.session.unkept})

    def _pending(self, told: list[list[Any]]) -> Answer:
        return Answer.json({"changes": told, "unkept": self.session.unkept})

    def _settle(self, sent: Mapping[str, Any]) -> Answer:
        self.session.settle(checked_key(sent["key"]), mine=sent["mine"] is True)
        return Answer.json(_shown(self.session.plan()))

    def _look(self, sent: Mapping[str, Any]) -> Answer:
        self.session.look()
        return Answer.json({"version": self.session.version})


def _words(value: Any) -> str:
    """A caption, or a point, in a sentence."""
    text = value if isinstance(value, str) else ", ".join(map(str, value or ()))
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}…"


def _done(what: str) -> Answer:
    return Answer.json({"done": what})


def _shown(made: Planned) -> dict[str, Any]:
    """A plan as the page shows it."""
    lines: list[str] = []
    for line in made.plan.diff():
        if len(lines) == _LINES:
            lines.append("... and more; `hubtools fix --journal` lists all files afterwards")
            break
        lines.append(line)
    return {
        "digest": made.digest,
        "operations": [{"action": op.action.value, "line": op.line} for op in made.plan.operations],
        "diff": lines,
        "left": [[list(key), why] for key, why in made.left.items()],
        "files_left": made.plan.left,
        "settled": len(made.settled),
        "planned": [list(key) for key in made.planned],
        "conflicts": [
            {
                "key": list(one.key),
                "before": one.before,
                "theirs": one.theirs,
                "mine": one.mine,
                "why": one.why,
            }
            for one in made.conflicts
        ],
    }
