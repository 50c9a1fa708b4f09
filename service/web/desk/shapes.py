"""What pages of the desk are made of: tables, facts, forms, notes. One template draws them all.

A page names its parts and what its forms ask the API; how a column is called and written follows
from its name (``service.web.desk.words``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from flask import request
from werkzeug.datastructures import FileStorage, MultiDict

from service.web.asking import Answer
from service.web.desk.typing_in import parsed

Said: TypeAlias = Any  # A text, or one that is put into the reader's language when it is shown.
Row: TypeAlias = dict[str, Any]


@dataclass
class Field:
    """An input. ``kind``: line, area, number, yuan, day, instant, choice, check, many, list,
    password, file; it says how it is shown and what is sent for what was typed.
    """

    name: str
    label: Said
    kind: str = "line"
    required: bool = True
    hint: Said = ""
    options: Sequence[tuple[str, Said]] = ()
    value: Any = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Typed:
    """A form that was sent: ``id`` is the one that the page made, so that a double tap is a retry;
    ``body`` is what was typed, as the API takes it; what was left empty is not in it.
    """

    id: str
    body: dict[str, Any]
    file: FileStorage | None = None


@dataclass
class Form:
    """Something to do. ``key`` tells it from the page's others; ``act`` asks the API.

    ``done`` names the note that is shown afterwards (``words.DONES``); ``goes`` says where; with
    ``shows`` the page is shown at once, with what the API told: what is told only once. With
    ``choices`` (value, text, tone) there is a button for each, sent as ``action``; ``reasons`` are
    sentences that are often given.
    """

    key: str
    title: Said
    act: Callable[[Typed], Answer]
    button: Said
    fields: Sequence[Field] = ()
    done: str = "saved"
    confirm: Said = ""
    tone: str = "primary"
    hint: Said = ""
    goes: Callable[[Answer], str] | None = None
    shows: Callable[[Any], Sequence[Any]] | None = None
    choices: Sequence[tuple[str, Said, str]] = ()
    reasons: Sequence[Said] = ()
    refused: Answer | None = None
    kind: str = "form"
    id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def small(self) -> bool:
        """Whether it is a button alone."""
        return not self.fields

    @property
    def with_file(self) -> bool:
        return any(each.kind == "file" for each in self.fields)

    def typed(self, sent: MultiDict[str, str]) -> Typed:
        """What was sent; an id that is none is made anew."""
        with suppress(ValueError):  # Of a form that somebody changed the page's own id counts.
            self.id = str(UUID(sent.get("act_id", "")))
        body: dict[str, Any] = {}
        if self.choices and (action := sent.get("action")):
            body["action"] = action
        for each in self.fields:
            if each.kind != "file" and (value := parsed(each.kind, each.name, sent)) is not None:
                body[each.name] = value
        file = next((request.files.get(f.name) for f in self.fields if f.kind == "file"), None)
        return Typed(self.id, body, file)

    def refuse(self, answer: Answer) -> None:
        """Show it again as it was typed; under another id where the id was what is wrong."""
        self.refused = answer
        if "reused" in answer.kind:
            self.id = str(uuid4())

    def value_of(self, one: Field) -> Any:
        """What the input shows: what was typed, when the form was refused."""
        if self.refused is None:
            return one.value
        if one.kind == "password":
            return ""
        if one.kind == "many":
            return request.form.getlist(one.name)
        return request.form.get(one.name, "")


@dataclass
class Table:
    """Rows with the same columns; ``columns`` are words of their names, or (name, label) pairs.

    ``link`` is where a row leads; ``acts`` are buttons behind it.
    """

    caption: Said
    columns: str | Sequence[tuple[str, Said]]
    rows: Sequence[Row]
    link: Callable[[Row], str] | None = None
    acts: Callable[[Row], Sequence[Form]] | None = None
    empty: Said = ""
    next_cursor: str | None = None
    cursor_name: str = "cursor"
    keyed: bool = False
    kind: str = "table"
    made: list[tuple[Row, Sequence[Form]]] = field(init=False)

    def __post_init__(self) -> None:
        self.made = [(row, self.acts(row) if self.acts else ()) for row in self.rows]


@dataclass
class Facts:
    """One thing: names and values; ``sparse``: without those that there are none of."""

    title: Said
    pairs: str | Sequence[tuple[str, Said]]
    row: Row
    sparse: bool = False
    kind: str = "facts"


@dataclass
class Figures:
    """Numbers to see at once: (label, value, what is written below, where it leads)."""

    title: Said
    cards: Sequence[tuple[Said, Any, Said, str]]
    kind: str = "figures"


@dataclass
class Note:
    """A sentence; ``tone``: "", done, warn, refused."""

    text: Said
    tone: str = ""
    url: str = ""
    link: Said = ""
    kind: str = "note"


@dataclass
class Secrets:
    """What is told once: (label, value)."""

    title: Said
    values: Sequence[tuple[Said, str]]
    kind: str = "secrets"


@dataclass
class Filters:
    """A form of GET above a list."""

    fields: Sequence[Field]
    button: Said
    kind: str = "filters"


@dataclass
class Drawn:
    """A part with a template of its own: a macro of ``desk/<template>``, given ``values``."""

    template: str
    values: Mapping[str, Any]
    kind: str = "drawn"


def forms_in(parts: Iterable[Any]) -> list[Form]:
    """All forms of a page, those of rows too."""
    found: list[Form] = []
    for part in parts:
        if isinstance(part, Form):
            found.append(part)
        elif isinstance(part, Table):
            found += [each for _, acts in part.made for each in acts]
    return found
