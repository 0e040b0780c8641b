"""Every statement of the SQLite store, under its name; columns are named, and what concerns one client names its key."""

# ruff: noqa: S105, S608 - the only parts put together here are our own tables of column names

from calling_card.store.rows import CARD, CLIENT, EVENT, INVITATION, RAT, RESOURCE, SECRET, SIGNING_KEY


def columns(names: tuple[str, ...]) -> str:
    """A list of columns."""
    return ", ".join(names)


def places(names: tuple[str, ...]) -> str:
    """As many question marks."""
    return ", ".join("?" for _ in names)


def insert(table: str, names: tuple[str, ...]) -> str:
    """An insertion of one row, to be continued with what happens on a conflict."""
    return f"INSERT INTO {table} ({columns(names)}) VALUES ({places(names)})"


def put(names: tuple[str, ...]) -> str:
    """Assignments."""
    return ", ".join(f"{name} = ?" for name in names)


def same(names: tuple[str, ...]) -> str:
    """Comparisons in which NULL equals NULL."""
    return " AND ".join(f"{name} IS ?" for name in names)


COMPARED = ("incarnation", "epoch", "state", *RAT, *SECRET)
"""What must be as it was read for a replacement to happen."""

CHANGED = ("epoch", "state", "owner", "secret_expires_at", *RAT, *SECRET)
"""What a replacement sets, the card and the day of use apart."""

# One client -----------------------------------------------------------------------------------------------------------------------
CLIENT_BY_KEY = f"SELECT {columns(CLIENT)} FROM clients WHERE client_key = ?"
CLIENT_AND_MARK = (
    f"SELECT {columns(CLIENT)}, EXISTS (SELECT 1 FROM marks WHERE client_key = ? AND mark = ?) FROM clients WHERE client_key = ?"
)
INSERT_CLIENT = f"{insert('clients', CLIENT)} ON CONFLICT (client_key) DO NOTHING"
REPLACE_CLIENT = (
    f"UPDATE clients SET {put(CHANGED)}, last_used_day = max(last_used_day, ?), {put(CARD)} WHERE client_key = ? AND {same(COMPARED)}"
)
REPLACE_STATE = f"UPDATE clients SET {put(CHANGED)}, last_used_day = max(last_used_day, ?) WHERE client_key = ? AND {same(COMPARED)}"
RAISE_EPOCH = "UPDATE clients SET epoch = epoch + 1 WHERE client_key = ? AND incarnation = ?"
REMEMBER_DAY = "UPDATE clients SET last_used_day = ? WHERE client_key = ? AND incarnation = ? AND last_used_day < ?"
LIVES = "SELECT 1 FROM clients WHERE client_key = ? AND incarnation = ?"
DELETE_CLIENT = "DELETE FROM clients WHERE client_key = ? AND incarnation = ?"
DELETE_GRANTS = "DELETE FROM grants WHERE client_key = ?"
DELETE_DOCUMENTS = "DELETE FROM documents WHERE client_key = ?"
DELETE_CONSENTS = "DELETE FROM consents WHERE client_key = ?"
DELETE_RESOURCES = "DELETE FROM resources WHERE client_key = ?"
DELETE_MARKS = "DELETE FROM marks WHERE client_key = ? AND kind <> 'tombstone'"

# Marks ----------------------------------------------------------------------------------------------------------------------------
MARKED = "SELECT 1 FROM marks WHERE client_key = ? AND mark = ?"
INSERT_MARK = "INSERT INTO marks (client_key, mark, kind, expires_at) VALUES (?, ?, 'token', ?) ON CONFLICT (client_key, mark) DO NOTHING"
SWEEP_MARKS = "DELETE FROM marks WHERE client_key = ? AND kind = 'token' AND expires_at <= ?"
COUNT_MARKS = "SELECT count(*) FROM marks WHERE client_key = ? AND kind = 'token'"
DELETE_TOKEN_MARKS = "DELETE FROM marks WHERE client_key = ? AND kind = 'token'"
INSERT_TOMBSTONE = (
    "INSERT INTO marks (client_key, mark, kind, expires_at) VALUES (?, ?, 'tombstone', ?) "
    "ON CONFLICT (client_key, mark) DO UPDATE SET kind = 'tombstone', expires_at = max(expires_at, excluded.expires_at)"
)

# Over all clients -----------------------------------------------------------------------------------------------------------------
CLIENTS_BEHIND = f"SELECT {columns(CLIENT)} FROM clients WHERE client_id > ? ORDER BY client_id, client_key LIMIT ?"
GENERATIONS_BY_KEY = """
SELECT number, count(*) FROM (
    SELECT rat_issued_key AS number FROM clients
    UNION ALL SELECT rat_confirmed_key FROM clients WHERE rat_confirmed < rat_issued
    UNION ALL SELECT secret_issued_key FROM clients WHERE secret_kind = 'derived'
    UNION ALL SELECT secret_confirmed_key FROM clients WHERE secret_kind = 'derived' AND secret_confirmed < secret_issued
    UNION ALL SELECT refresh_issued_key FROM grants WHERE state = 'live'
    UNION ALL SELECT refresh_confirmed_key FROM grants WHERE state = 'live' AND refresh_confirmed < refresh_issued
    UNION ALL SELECT handle_key FROM initial_access_tokens WHERE uses_left > 0 AND (expires_at = 0 OR expires_at > ?)
) GROUP BY number ORDER BY number
"""
ACROSS_CLIENTS = (CLIENTS_BEHIND, GENERATIONS_BY_KEY)
"""The only statements on tables of clients that do not stay with one client; none of them is asked by a client."""

# Invitations ----------------------------------------------------------------------------------------------------------------------
INVITATION_BY_ID = f"SELECT {columns(INVITATION)} FROM initial_access_tokens WHERE id = ?"
INSERT_INVITATION = f"{insert('initial_access_tokens', INVITATION)} ON CONFLICT (id) DO NOTHING"
TAKE_A_USE = (
    "UPDATE initial_access_tokens SET uses_left = uses_left - 1 WHERE id = ? AND uses_left > 0 AND (expires_at = 0 OR expires_at > ?)"
)

# Resource servers and signing keys ------------------------------------------------------------------------------------------------
RESOURCE_BY_URI = f"SELECT {columns(RESOURCE)} FROM resources WHERE uri = ?"
RESOURCES = f"SELECT {columns(RESOURCE)} FROM resources ORDER BY uri"
INSERT_RESOURCE = f"{insert('resources', RESOURCE)} ON CONFLICT (uri) DO NOTHING"
SIGNING_KEYS = f"SELECT {columns(SIGNING_KEY)} FROM keys ORDER BY created_at, kid"
PUT_SIGNING_KEY = (
    f"{insert('keys', SIGNING_KEY)} ON CONFLICT (kid) DO UPDATE SET "
    "alg = excluded.alg, state = excluded.state, created_at = excluded.created_at, until = excluded.until, sealed = excluded.sealed"
)

# Events ---------------------------------------------------------------------------------------------------------------------------
INSERT_EVENT = insert("events", EVENT)
EVENTS_BEHIND = f"SELECT {columns(EVENT)} FROM events WHERE writer = ? AND number > ? ORDER BY number LIMIT ?"
HEAD = "SELECT number, mac FROM events WHERE writer = ? ORDER BY number DESC LIMIT 1"
WRITERS = """
WITH RECURSIVE known (writer) AS (
    SELECT min(writer) FROM events
    UNION ALL SELECT (SELECT min(writer) FROM events WHERE writer > known.writer) FROM known WHERE known.writer IS NOT NULL
) SELECT writer FROM known WHERE writer IS NOT NULL
"""

# Settings -------------------------------------------------------------------------------------------------------------------------
PROBE = "INSERT INTO settings (name, value) VALUES ('probed', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
