"""The statements as PostgreSQL takes them: the same table, said in its dialect, and the few that must differ.

Where several transactions write at once, a statement that reads one row to write another locks what it read, so that nobody removes or
changes it before the transaction ends.
"""

# ruff: noqa: S608 - the only parts put together here are our own tables of statements and columns

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import cast

import msgspec

from calling_card.store import statements as sql
from calling_card.store.database import Value, Values
from calling_card.store.rows import CLIENT, EVENT
from calling_card.store.rows_webhooks import WEBHOOK
from calling_card.store.statements import columns, insert, places, put

CLAIMS = ("software_id", "software_version", "first_scheme", "second_scheme", "third_scheme")
"""Columns of a client that say again what its card says, because this database cannot index what is inside a card."""
_CLIENT_AND_CLAIMS = (*CLIENT, *CLAIMS)
_KEYS = {
    sql.NEXT_MARKS: ("marks", "client_key"),
    sql.NEXT_GRANTS: ("grants", "client_key"),
    sql.NEXT_SESSIONS: ("sessions", "person"),
    sql.NEXT_HOSTED: ("hosted_documents", "id"),
    sql.NEXT_INVITATIONS: ("initial_access_tokens", "id"),
    sql.NEXT_PRUNED: ("pruned_clients", "client_key"),
}
"""The tables that are swept, and the column along which: rows have no number here."""


def _next(table: str, key: str) -> str:
    """The last key among the next rows of a table."""
    walk = f"SELECT {key} AS next FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT ?"
    return f"SELECT next FROM ({walk}) AS walk ORDER BY next DESC LIMIT 1"


def _card(statement: str) -> str:
    """An update of a card, of which the claims are written again."""
    return statement.replace("decision = ?", f"decision = ?, {put(CLAIMS)}")


def _aside(statement: str) -> str:
    """A copy of a client, claims and all."""
    return statement.replace("secret_digest", f"secret_digest, {columns(CLAIMS)}")


def _own(columns_: str) -> str:
    """The clients whose first, second or third redirect URI has a scheme of its own."""
    schemes = ("first_scheme", "second_scheme", "third_scheme")
    return " UNION ".join(f"SELECT {columns_} FROM clients WHERE {scheme} = ?" for scheme in schemes) + " LIMIT ?"


OTHERWISE: Mapping[str, str] = {
    sql.INSERT_CLIENT: f"{insert('clients', _CLIENT_AND_CLAIMS)} ON CONFLICT (client_key) DO NOTHING",
    sql.NEW_CLIENT: sql.NEW_CLIENT.replace(columns(CLIENT), columns(_CLIENT_AND_CLAIMS)).replace(
        places(CLIENT), places(_CLIENT_AND_CLAIMS)
    ),
    sql.REPLACE_CLIENT: _card(sql.REPLACE_CLIENT),
    sql.BECOME: _card(sql.BECOME),
    sql.PUT_ASIDE: _aside(sql.PUT_ASIDE),
    sql.BRING_BACK: _aside(sql.BRING_BACK),
    sql.CLAIMING_SOFTWARE: f"SELECT {columns(CLIENT)} FROM clients WHERE software_id = ? LIMIT ?",
    sql.CLAIMING_SCHEME: _own(columns(CLIENT)),
    sql.SAME_SOFTWARE: "SELECT 1 FROM clients WHERE software_id = ? AND software_version IS NOT DISTINCT FROM ?",
    sql.NEXT_CLIENTS: (
        "SELECT count(*), (array_agg(client_key ORDER BY client_key DESC))[1] "
        "FROM (SELECT client_key FROM clients WHERE client_key > ? ORDER BY client_key LIMIT ?) AS walk"
    ),
    sql.WRITERS: """
WITH RECURSIVE known (writer) AS (
    (SELECT writer FROM events ORDER BY writer LIMIT 1)
    UNION ALL SELECT (SELECT writer FROM events WHERE writer > known.writer ORDER BY writer LIMIT 1) FROM known
        WHERE known.writer IS NOT NULL
) SELECT writer FROM known WHERE writer IS NOT NULL
""",
    sql.NEWS: f"""
SELECT {columns(EVENT)} FROM events
WHERE (placed, writer, number) > (coalesce((SELECT placed FROM events WHERE writer = ? AND number = ?), 0), ?::bytea, ?::bigint)
    AND placed < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
ORDER BY placed, writer, number LIMIT ?
""",
    sql.WEBHOOKS: f"SELECT {columns(WEBHOOK)} FROM webhooks ORDER BY placed, id",
    **{statement: _next(*walk) for statement, walk in _KEYS.items()},
}
"""What must really differ."""

SWEPT: Mapping[str, str] = {
    sql.SWEEP_ALL_MARKS: "client_key",
    sql.HOLD_SWEPT_GRANTS: "client_key",
    sql.REMEMBER_APPROVED: "client_key",
    sql.SWEEP_GRANTS: "client_key",
    sql.SWEEP_ALL_SESSIONS: "person",
    sql.SWEEP_ALL_HOSTED: "id",
    sql.SWEEP_INVITATIONS: "id",
    sql.SWEEP_PRUNED: "client_key",
}
"""The column that stands for the number of a row in the statements of a sweep."""

LOCKS: Mapping[str, str] = {
    sql.HOLD_CLIENT: "FOR UPDATE",
    sql.HOLD_GRANTS: "FOR UPDATE",
    sql.HOLD_SWEPT_GRANTS: "FOR UPDATE",
    sql.HOLD_PERSON: "FOR UPDATE",
    sql.HOLD_STANDING: "FOR SHARE",
    sql.HOLD_WEBHOOK: "FOR UPDATE",
    sql.MARK_OF_CLIENT: "FOR KEY SHARE OF clients",
    sql.MARK_OF_GRANT: "FOR KEY SHARE OF grants",
    sql.INSERT_ONCE: "FOR KEY SHARE OF clients",
    sql.INSERT_WARNING: "FOR KEY SHARE OF clients",
    sql.ADD_TEST_PERSON: "FOR KEY SHARE OF clients",
    sql.INSERT_GRANT: "FOR SHARE OF clients",
    sql.BRING_BACK: "FOR UPDATE",
}
"""What a statement locks of what it reads (CREDENTIALS §4). A grant waits for whoever changes its client: it may be ended there."""

TWICE: Mapping[str, Callable[[Values], Values]] = {sql.NEWS: lambda said: (*said[:2], *said[:2], said[2])}
"""Values that a statement needs again."""


@cache
def spoken(statement: str) -> str:
    """A row of the table of statements in the dialect of PostgreSQL, its places still question marks."""
    text = OTHERWISE.get(statement, statement)
    if statement in SWEPT:
        text = text.replace("rowid", SWEPT[statement])
    if lock := LOCKS.get(statement):
        before, conflict, after = text.partition("ON CONFLICT")
        text = f"{before.rstrip()} {lock} {conflict}{after}"
    text = re.sub(r"\bIS \?", "IS NOT DISTINCT FROM ?", text)
    text = re.sub(r"\bmax\((?=[\w.]+, )", "greatest(", text)
    text = re.sub(r"([\w.]+) ([=>]) \? COLLATE NOCASE", r'lower(\1) \2 lower(? COLLATE "C")', text)
    text = re.sub(r"([\w.]+) COLLATE NOCASE", r"lower(\1)", text)
    return text.replace("x''", "''::bytea").strip()


def numbered(text: str) -> str:
    """With numbers for question marks."""
    parts = text.split("?")
    return parts[0] + "".join(f"${number}{part}" for number, part in enumerate(parts[1:], 1))


@cache
def text_of(statement: str) -> str:
    """What PostgreSQL is sent for a row of the table of statements."""
    return numbered(spoken(statement))


def values_of(statement: str, values: Values) -> Values:
    """The values of a statement in the order of its text here."""
    if statement in CARDS:
        at, metadata = CARDS[statement]
        return (*values[:at], *claims(values[metadata]), *values[at:])
    return TWICE[statement](values) if statement in TWICE else values


_AFTER_CARD = len(sql.CHANGED) + 1 + 2
CARDS: Mapping[str, tuple[int, int]] = {
    sql.INSERT_CLIENT: (len(CLIENT), CLIENT.index("metadata")),
    sql.NEW_CLIENT: (len(CLIENT), CLIENT.index("metadata")),
    sql.REPLACE_CLIENT: (_AFTER_CARD, _AFTER_CARD - 2),
    sql.BECOME: (2, 0),
}
"""Statements that write a card: where its claims go among the values, and where the card is."""


class _Card(msgspec.Struct):
    software_id: object = None
    software_version: object = None
    redirect_uris: object = None


def claims(metadata: Value) -> Values:
    """What a card lays claim to: its software, and the schemes of its first three redirect URIs that are its own."""
    said = msgspec.json.decode(metadata, type=_Card) if isinstance(metadata, bytes) else _Card()
    found = said.redirect_uris
    uris = cast("list[object]", found) if isinstance(found, list) else []
    return (_text(said.software_id), _text(said.software_version), *(_scheme(uris, number) for number in range(3)))


def _text(said: object) -> str | None:
    """A text that this database can hold."""
    return said if isinstance(said, str) and "\0" not in said else None


def _scheme(uris: Sequence[object], number: int) -> str | None:
    """The scheme of a redirect URI in lower case; None: it is nobody's own, or there is no such URI."""
    uri = _text(uris[number]) if number < len(uris) else None
    return None if uri is None or uri.lower().startswith("http") else uri.partition(":")[0].lower()


# Several statements as one --------------------------------------------------------------------------------------------------------


@cache
def sentence(statement: str, first: str, then: str, *, told: bool, strict: bool = False) -> str:
    """A change with what is swept before and what goes with it, as one statement that PostgreSQL does or does not as a whole.

    ``strict``: it fails where nothing changes, because an event must have a number; so many of them can be sent together.
    """
    did = spoken(statement)
    parts = [f"swept AS ({spoken(first)})"] if first else []
    if not told:
        return numbered(f"WITH {parts[0]} {did}" if parts else did)
    parts.append(f"did AS ({did} RETURNING 1)")
    if then:
        parts.append(f"too AS ({_if_it_did(spoken(then))})")
    last = spoken(sql.INSERT_EVENT)
    return numbered(f"WITH {', '.join(parts)} {_strictly(last) if strict else _if_it_did(last)}")


def _if_it_did(insertion: str) -> str:
    """An insertion of values that happens only if the change did."""
    return re.sub(r"VALUES \(([?, ]+)\)", r"SELECT \1 FROM did LIMIT 1", insertion)


def _strictly(insertion: str) -> str:
    """The insertion of an event that has no number if nothing changed."""
    names = EVENT
    given = ", ".join("CASE WHEN EXISTS (SELECT 1 FROM did) THEN ?::bigint END" if name == "number" else "?" for name in names)
    return insertion.replace(f"VALUES ({places(names)})", f"SELECT {given}")
