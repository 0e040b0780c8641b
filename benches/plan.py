"""What the load sends: tables of rows, and flows of steps whose requests have holes; written out for ``benches/load.c``.

A hole is a name in angle quotation marks: ``«token»`` is a column of the row that the walk took, or what an earlier step of the
walk captured; ``«#»`` is a number that was not there before.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_HOLE = re.compile(r"«([^»]+)»")
_FIRST = ord("A")
VALUES = 16
"""Names that a flow may have, as in ``load.c``."""


class BadPlan(ValueError):
    """A plan that the load could not follow; the text says why."""


@dataclass(frozen=True)
class Capture:
    """A value of an answer, which later steps and tables may use."""

    name: str
    kind: str
    """``j``: a member of the JSON body; ``p``: the path of a URL there; ``q``: a parameter of the ``Location`` header."""
    member: str


def said(member: str, name: str = "") -> Capture:
    """A text in the body of the answer."""
    return Capture(name or member, "j", member)


def path(member: str, name: str) -> Capture:
    """The path of a URL in the body of the answer."""
    return Capture(name, "p", member)


def query(parameter: str) -> Capture:
    """A parameter of the place an answer sends the caller to."""
    return Capture(parameter, "q", parameter)


@dataclass(frozen=True)
class Step:
    """One request, and what its answer must be."""

    method: str
    target: str
    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: str = ""
    captures: Sequence[Capture] = ()

    @property
    def head(self) -> str:
        """Up to the last header; ``Content-Length`` and the empty line are the load's."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return f"{self.method} {self.target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"


@dataclass(frozen=True)
class Flow:
    """Steps that one walk takes in order on one connection."""

    steps: Sequence[Step]
    table: str = ""
    """Where a walk takes its row; empty: it needs none."""
    once: bool = False
    """Whether the row is used up; else it goes back, with what was captured under the names of its columns."""
    into: str = ""
    """The table that gets a new row at the end of a walk: the values of its columns; empty: none does."""
    weight: float = 1.0
    """How often a walk of this flow begins, compared with others."""


@dataclass
class Table:
    """Rows that walks take and put back; no value has a tab or a line's end."""

    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list[list[str]])


@dataclass(frozen=True)
class Plan:
    """Everything the load has to know but where the server is."""

    flows: Sequence[Flow]
    tables: Mapping[str, Table] = field(default_factory=dict[str, Table])

    def written(self) -> bytes:
        """As ``load.c`` reads it. Raises `BadPlan`."""
        order = list(self.tables)
        tables = b"".join(_table(name, self.tables[name]) for name in order)
        return tables + b"".join(self._flow(flow, order) for flow in self.flows)

    def _flow(self, flow: Flow, order: Sequence[str]) -> bytes:
        names = self._names(flow)
        puts = [_index(names, column) for column in self.tables[flow.into].columns] if flow.into else []
        places = [order.index(table) if table else -1 for table in (flow.table, flow.into)]
        said = ["flow", flow.weight, places[0], int(flow.once), places[1], len(flow.steps), len(puts), *puts]
        return " ".join(map(str, said)).encode() + b"\n" + b"".join(_step(step, names) for step in flow.steps)

    def _names(self, flow: Flow) -> list[str]:
        """Of columns first, in their order, then of what is captured."""
        names = list(self.tables[flow.table].columns) if flow.table else []
        for capture in (capture for step in flow.steps for capture in step.captures):
            if capture.name not in names:
                names.append(capture.name)
        if len(names) > VALUES:
            raise BadPlan(f"a flow has more than {VALUES} names: {', '.join(names)}")
        return names


def _table(name: str, table: Table) -> bytes:
    lines = [f"table {len(table.columns)} {len(table.rows)}"]
    for row in table.rows:
        if len(row) != len(table.columns) or any("\t" in value or "\n" in value for value in row):
            raise BadPlan(f"table {name}: a row does not fit its columns")
        lines.append("\t".join(row))
    return ("\n".join(lines) + "\n").encode()


def _step(step: Step, names: Sequence[str]) -> bytes:
    head, body = _with_holes(step.head, names), _with_holes(step.body, names)
    lines = [f"step {step.status} {len(step.captures)} {len(head)} {len(body)}"]
    lines += [f"capture {_index(names, one.name)} {one.kind} {one.member}" for one in step.captures]
    return ("\n".join(lines) + "\n").encode() + head + body + b"\n"


def _with_holes(text: str, names: Sequence[str]) -> bytes:
    def hole(found: re.Match[str]) -> str:
        return "\x01#" if found[1] == "#" else "\x01" + chr(_FIRST + _index(names, found[1]))

    return _HOLE.sub(hole, text).encode()


def _index(names: Sequence[str], name: str) -> int:
    if name not in names:
        raise BadPlan(f"«{name}» is neither a column nor captured; there are {', '.join(names) or 'none'}")
    return names.index(name)


def rows_of(text: Iterable[str]) -> list[list[str]]:
    """Rows as the load writes them."""
    return [line.rstrip("\n").split("\t") for line in text]
