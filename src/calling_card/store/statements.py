"""Every statement of the store, under its name; columns are named, and what concerns one client names its key.

They are written as SQLite takes them; `postgres/dialect.py` says them as PostgreSQL does.
"""

# ruff: noqa: S105, S608 - the only parts put together here are our own tables of column names

from calling_card.store.rows import APPROVAL, CARD, CLIENT, EVENT, INVITATION, RAT, RESOURCE, SECRET, SIGNING_KEY
from calling_card.store.rows_documents import DOCUMENT, DOCUMENT_COMPARED, DOCUMENT_READ, HOSTED
from calling_card.store.rows_people import CONSENT, GRANT, PASSKEY, PEOPLE, REFRESH, SESSION, STANDING
from calling_card.store.rows_webhooks import WEBHOOK, WEBHOOK_CHANGED


def columns(names: tuple[str, ...]) -> str:
    """A list of columns."""
    return ", ".join(names)


def of(table: str, names: tuple[str, ...]) -> str:
    """A list of columns of one of several tables."""
    return ", ".join(f"{table}.{name}" for name in names)


def a_person() -> str:
    """The columns of a person, who is a row in each of two tables."""
    return f"{of('people', PEOPLE)}, {of('person_state', STANDING)}"


def an_ended_grant() -> str:
    """What is true of a grant of which nothing can be used any more."""
    return """
(state = 'revoked' AND max(created_at, last_used_at) <= ? OR state = 'pending' AND code_deadline <= ? OR state = 'live' AND
    (created_at <= ? OR last_used_at <= ? OR NOT EXISTS (
        SELECT 1 FROM person_state WHERE person_state.person = grants.person AND person_state.epoch = grants.person_epoch
    )))
"""


def a_suspect() -> str:
    """The columns of a client, whether somebody approved it, a grant lives and a code waits, and since when its document is gone."""
    return f"""
{of("clients", CLIENT)},
    clients.approved = 1 OR EXISTS (
        SELECT 1 FROM grants WHERE grants.client_key = clients.client_key AND grants.incarnation = clients.incarnation
            AND grants.state <> 'pending'
    ),
    EXISTS (
        SELECT 1 FROM grants
        JOIN person_state ON person_state.person = grants.person AND person_state.epoch = grants.person_epoch
        WHERE grants.client_key = clients.client_key AND grants.incarnation = clients.incarnation
            AND grants.state = 'live' AND grants.created_at > ? AND grants.last_used_at > ?
    ),
    EXISTS (
        SELECT 1 FROM grants WHERE grants.client_key = clients.client_key AND grants.incarnation = clients.incarnation
            AND grants.state = 'pending' AND grants.code_deadline > ?
    ),
    coalesce((SELECT gone_at FROM documents WHERE documents.client_key = clients.client_key ORDER BY version DESC LIMIT 1), 0)
"""


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


COMPARED = ("incarnation", "epoch", "state", *RAT, *SECRET, "metadata")
"""What must be as it was read for a replacement to happen."""

CHANGED = ("epoch", "state", "owner", "secret_expires_at", *RAT, *SECRET, *APPROVAL)
"""What a replacement sets, the card and the day of use apart."""

# One client -----------------------------------------------------------------------------------------------------------------------
CLIENT_BY_KEY = f"SELECT {columns(CLIENT)} FROM clients WHERE client_key = ?"
CLIENT_AND_MARK = (
    f"SELECT {columns(CLIENT)}, EXISTS (SELECT 1 FROM marks WHERE client_key = ? AND mark = ?) FROM clients WHERE client_key = ?"
)
CLIENT_OR_TOMBSTONE = f"""
SELECT {columns(CLIENT)} FROM clients WHERE client_key = ?
UNION ALL SELECT {", ".join("NULL" for _ in CLIENT)} FROM marks WHERE client_key = ? AND kind = 'tombstone'
"""
INSERT_CLIENT = f"{insert('clients', CLIENT)} ON CONFLICT (client_key) DO NOTHING"
NEW_CLIENT = f"""
INSERT INTO clients ({columns(CLIENT)}) SELECT {places(CLIENT)}
WHERE NOT EXISTS (SELECT 1 FROM marks WHERE client_key = ? AND kind = 'tombstone')
ON CONFLICT (client_key) DO NOTHING
"""
REPLACE_CLIENT = (
    f"UPDATE clients SET {put(CHANGED)}, last_used_day = max(last_used_day, ?), {put(CARD)} WHERE client_key = ? AND {same(COMPARED)}"
)
REPLACE_STATE = f"UPDATE clients SET {put(CHANGED)}, last_used_day = max(last_used_day, ?) WHERE client_key = ? AND {same(COMPARED)}"
RAISE_EPOCH = "UPDATE clients SET epoch = epoch + 1 WHERE client_key = ? AND incarnation = ?"
REMEMBER_DAY = "UPDATE clients SET last_used_day = ? WHERE client_key = ? AND incarnation = ? AND last_used_day < ?"
HOLD_CLIENT = "SELECT 1 FROM clients WHERE client_key = ?"
LIVES = "SELECT 1 FROM clients WHERE client_key = ? AND incarnation = ?"
DELETE_CLIENT = "DELETE FROM clients WHERE client_key = ? AND incarnation = ?"
HANGING = """
SELECT EXISTS (SELECT 1 FROM grants WHERE client_key = ?), EXISTS (SELECT 1 FROM marks WHERE client_key = ? AND kind = 'token'),
    EXISTS (SELECT 1 FROM consents WHERE client_key = ?), EXISTS (SELECT 1 FROM documents WHERE client_key = ?),
    EXISTS (SELECT 1 FROM resources WHERE client_key = ?), EXISTS (SELECT 1 FROM test_persons WHERE client_key = ?)
"""
DELETE_GRANTS = "DELETE FROM grants WHERE client_key = ?"
DELETE_DOCUMENTS = "DELETE FROM documents WHERE client_key = ?"
DELETE_CONSENTS = "DELETE FROM consents WHERE client_key = ?"
DELETE_RESOURCES = "DELETE FROM resources WHERE client_key = ?"
DELETE_MARKS = "DELETE FROM marks WHERE client_key = ? AND kind = 'token'"

# Marks ----------------------------------------------------------------------------------------------------------------------------
MARKED = "SELECT 1 FROM marks WHERE client_key = ? AND mark = ?"
INSERT_MARK = (
    "INSERT INTO marks (client_key, mark, grant_id, kind, expires_at) VALUES (?, ?, ?, 'token', ?) "
    "ON CONFLICT (client_key, mark) DO NOTHING"
)
MARK_OF_CLIENT = """
INSERT INTO marks (client_key, mark, grant_id, kind, expires_at)
SELECT client_key, ?, ?, 'token', ? FROM clients WHERE client_key = ? AND incarnation = ?
    AND (SELECT count(*) FROM marks WHERE client_key = ? AND grant_id IS NULL AND kind = 'token' AND expires_at > ?) < ?
ON CONFLICT (client_key, mark) DO NOTHING
"""
MARK_OF_GRANT = """
INSERT INTO marks (client_key, mark, grant_id, kind, expires_at)
SELECT client_key, ?, grant_id, 'token', ? FROM grants WHERE client_key = ? AND grant_id = ? AND incarnation = ? AND state = 'live'
    AND (SELECT count(*) FROM marks WHERE client_key = ? AND grant_id = ? AND kind = 'token' AND expires_at > ?) < ?
ON CONFLICT (client_key, mark) DO NOTHING
"""
INSERT_ONCE = """
INSERT INTO marks (client_key, mark, kind, expires_at)
SELECT client_key, ?, 'assertion', ? FROM clients WHERE client_key = ? AND incarnation = ?
    AND (SELECT count(*) FROM marks WHERE client_key = ? AND kind = 'assertion' AND expires_at > ?) < ?
ON CONFLICT (client_key, mark) DO UPDATE SET expires_at = excluded.expires_at WHERE marks.kind = 'assertion' AND marks.expires_at <= ?
"""
INSERT_ONCE_AT = """
INSERT INTO marks (client_key, mark, kind, expires_at) VALUES (?, ?, 'assertion', ?)
ON CONFLICT (client_key, mark) DO UPDATE SET expires_at = excluded.expires_at WHERE marks.kind = 'assertion' AND marks.expires_at <= ?
"""
INSERT_WARNING = """
INSERT INTO marks (client_key, mark, kind, expires_at)
SELECT client_key, ?, 'warning', ? FROM clients WHERE client_key = ? AND incarnation = ?
ON CONFLICT (client_key, mark) DO NOTHING
"""
SWEEP_ONCE = "DELETE FROM marks WHERE client_key = ? AND kind = 'assertion' AND expires_at <= ? AND mark <> ?"
SWEEP_MARKS = """
DELETE FROM marks WHERE client_key = ? AND mark IN (
    SELECT mark FROM marks WHERE client_key = ? AND kind = 'token' AND expires_at <= ? ORDER BY expires_at LIMIT 64
)
"""
COUNT_MARKS = "SELECT count(*) FROM marks WHERE client_key = ? AND grant_id IS ? AND kind = 'token' AND expires_at > ?"
DELETE_TOKEN_MARKS = "DELETE FROM marks WHERE client_key = ? AND grant_id IS ? AND kind = 'token'"
INSERT_TOMBSTONE = (
    "INSERT INTO marks (client_key, mark, kind, expires_at) VALUES (?, ?, 'tombstone', ?) "
    "ON CONFLICT (client_key, mark) DO UPDATE SET kind = 'tombstone', expires_at = max(marks.expires_at, excluded.expires_at)"
)

# Documents ------------------------------------------------------------------------------------------------------------------------
NEWEST_DOCUMENT = f"SELECT {columns(DOCUMENT)} FROM documents WHERE client_key = ? ORDER BY version DESC LIMIT 1"
DOCUMENT_BY_NUMBER = f"SELECT {columns(DOCUMENT)} FROM documents WHERE client_key = ? AND version = ?"
DOCUMENTS = f"SELECT {columns(DOCUMENT)} FROM documents WHERE client_key = ? ORDER BY version DESC"
INSERT_DOCUMENT = f"{insert('documents', DOCUMENT)} ON CONFLICT (client_key, version) DO NOTHING"
DOCUMENT_STANDS = f"""
SELECT 1 FROM documents WHERE client_key = ? AND version = ? AND {same(DOCUMENT_COMPARED)}
    AND NOT EXISTS (SELECT 1 FROM documents AS newer WHERE newer.client_key = documents.client_key AND newer.version > documents.version)
"""
READ_DOCUMENT = f"UPDATE documents SET {put(DOCUMENT_READ)} WHERE client_key = ? AND version = ?"
FORGET_DOCUMENTS = "DELETE FROM documents WHERE client_key = ? AND version <= ?"
STATE_IS = "SELECT 1 FROM clients WHERE client_key = ? AND incarnation = ? AND state = ?"
BECOME = f"""
UPDATE clients SET {put(CARD)}, epoch = epoch + CASE WHEN state <> ? THEN 1 ELSE 0 END, state = ? WHERE client_key = ? AND incarnation = ?
"""
END_CLIENT_GRANTS = "UPDATE grants SET state = 'revoked', epoch = epoch + 1 WHERE client_key = ? AND state <> 'revoked'"
HOSTED_BY_ID = f"SELECT {columns(HOSTED)} FROM hosted_documents WHERE id = ?"
INSERT_HOSTED = f"{insert('hosted_documents', HOSTED)} ON CONFLICT (id) DO NOTHING"
SWEEP_HOSTED = "DELETE FROM hosted_documents WHERE expires_at <= ?"
DELETE_HOSTED = "DELETE FROM hosted_documents WHERE id = ?"

# Approval -------------------------------------------------------------------------------------------------------------------------
TEST_PERSONS = "SELECT person FROM test_persons WHERE client_key = ? AND incarnation = ? ORDER BY person"
ADD_TEST_PERSON = """
INSERT INTO test_persons (client_key, person, incarnation) SELECT client_key, ?, incarnation FROM clients
WHERE client_key = ? AND incarnation = ?
ON CONFLICT (client_key, person) DO UPDATE SET incarnation = excluded.incarnation WHERE test_persons.incarnation <> excluded.incarnation
"""
REMOVE_TEST_PERSON = "DELETE FROM test_persons WHERE client_key = ? AND incarnation = ? AND person = ?"
DELETE_TEST_PERSONS = "DELETE FROM test_persons WHERE client_key = ?"

# Grants and consents --------------------------------------------------------------------------------------------------------------
GRANT_COMPARED = ("incarnation", "state", "epoch", *REFRESH)
"""What must be as it was read for a change to happen."""

GRANT_CHANGED = ("state", "epoch", "scope", "resource", *REFRESH, "last_used_at", "document_version", "cnf")
"""What a change sets; the rest a grant has for life."""

CLIENT_MARK_GRANT = f"""
SELECT {of("clients", CLIENT)}, EXISTS (SELECT 1 FROM marks WHERE client_key = ? AND mark = ?),
    {of("grants", GRANT)}, {of("person_state", STANDING)}
FROM clients
LEFT JOIN grants ON grants.client_key = clients.client_key AND grants.grant_id = ?
LEFT JOIN person_state ON person_state.person = grants.person
WHERE clients.client_key = ?
"""
GRANT_BY_KEY = f"""
SELECT {of("grants", GRANT)}, {of("person_state", STANDING)}
FROM grants JOIN person_state ON person_state.person = grants.person
WHERE grants.client_key = ? AND grants.grant_id = ?
"""
HOLD_GRANTS = "SELECT 1 FROM grants WHERE client_key = ?"
GRANT_THERE = "SELECT 1 FROM grants WHERE client_key = ? AND grant_id = ?"
GRANT_LIVES = "SELECT 1 FROM grants WHERE client_key = ? AND grant_id = ? AND incarnation = ? AND state = 'live'"
INSERT_GRANT = f"""
INSERT INTO grants ({columns(GRANT)}) SELECT {places(GRANT)} FROM clients
WHERE client_key = ? AND incarnation = ? AND state = ? AND state <> 'suspended'
    AND EXISTS (SELECT 1 FROM person_state WHERE person = ? AND epoch = ? AND active = 1)
ON CONFLICT (client_key, grant_id) DO NOTHING
"""
CHANGE_GRANT = f"""
UPDATE grants SET {put(GRANT_CHANGED)} WHERE client_key = ? AND grant_id = ? AND {same(GRANT_COMPARED)}
    AND EXISTS (SELECT 1 FROM clients WHERE clients.client_key = grants.client_key AND clients.incarnation = grants.incarnation)
"""
RAISE_GRANT_EPOCH = "UPDATE grants SET epoch = epoch + 1 WHERE client_key = ? AND grant_id = ?"
END_GRANTS = "UPDATE grants SET state = 'revoked', epoch = epoch + 1 WHERE person = ? AND client_key = ? AND state <> 'revoked'"
REDEEMED = """
SELECT 1 FROM clients WHERE client_key = ? AND incarnation = ? AND (approved = 1 OR EXISTS (
    SELECT 1 FROM grants WHERE grants.client_key = clients.client_key AND grants.incarnation = clients.incarnation
        AND grants.state <> 'pending'
))
"""
GRANTS_ALIVE = """
SELECT count(*) FROM grants
JOIN person_state ON person_state.person = grants.person AND person_state.epoch = grants.person_epoch AND person_state.active = 1
WHERE grants.client_key = ? AND grants.incarnation = ? AND grants.state = 'live'
"""
CONSENTS = f"""
SELECT {columns(CONSENT)} FROM consents WHERE person = ? AND client_key = ? AND incarnation = ?
ORDER BY given_at DESC, redirect_uri, resource, scope
"""
PUT_CONSENT = f"""
{insert("consents", CONSENT)} ON CONFLICT (person, client_key, redirect_uri, resource, scope)
DO UPDATE SET incarnation = excluded.incarnation, card = excluded.card, given_at = excluded.given_at
"""
FORGET_CONSENTS = "DELETE FROM consents WHERE person = ? AND client_key = ?"
ALLOWED = f"""
SELECT {of("clients", CLIENT)}, {of("grants", GRANT)}
FROM person_state
JOIN grants ON grants.person = person_state.person AND grants.person_epoch = person_state.epoch AND grants.state = 'live'
JOIN clients ON clients.client_key = grants.client_key AND clients.incarnation = grants.incarnation
WHERE person_state.person = ? ORDER BY grants.created_at DESC, grants.grant_id
"""
OF_A_PERSON = (ALLOWED,)
"""Statements on tables of clients that stay with one person instead."""

# Pruning --------------------------------------------------------------------------------------------------------------------------
ASIDE = CLIENT
"""What of a client is put aside when it is pruned: all of it."""
PRUNED = (*CLIENT, "reason", "pruned_at", "until")

SUSPECT_BY_KEY = f"SELECT {a_suspect()} FROM clients WHERE clients.client_key = ? AND clients.incarnation = ?"
NEXT_CLIENTS = "SELECT count(*), max(client_key) FROM (SELECT client_key FROM clients WHERE client_key > ? ORDER BY client_key LIMIT ?)"
SUSPECTS = f"""
SELECT {a_suspect()} FROM clients
WHERE clients.client_key > ? AND clients.client_key <= ? AND clients.last_used_day <= ? ORDER BY clients.client_key
"""
PUT_ASIDE = f"""
INSERT INTO pruned_clients ({columns(ASIDE)}, approved, reason, pruned_at, until)
SELECT {columns(ASIDE)}, ?, ?, ?, ? FROM clients WHERE client_key = ? AND incarnation = ?
"""
PRUNED_BEHIND = f"SELECT {columns(PRUNED)} FROM pruned_clients WHERE client_id > ? AND until > ? ORDER BY client_id, client_key LIMIT ?"
PRUNED_BY_KEY = f"SELECT {columns(PRUNED)} FROM pruned_clients WHERE client_key = ? AND until > ?"
BRING_BACK = f"""
INSERT INTO clients ({columns(ASIDE)}, approved)
SELECT {columns(ASIDE).replace("epoch", "epoch + 1")}, approved FROM pruned_clients WHERE client_key = ? AND incarnation = ? AND until > ?
ON CONFLICT (client_key) DO NOTHING
"""
FORGET_PRUNED = "DELETE FROM pruned_clients WHERE client_key = ? AND incarnation = ?"
LET_GO_OF_PRUNED = "DELETE FROM pruned_clients WHERE client_key = ? AND incarnation = ? AND until > ?"
CHANGE_PRUNED = "UPDATE pruned_clients SET epoch = ?, state = ?, waits = ? WHERE client_key = ? AND incarnation = ? AND until > ?"
DELETE_TOMBSTONE = "DELETE FROM marks WHERE client_key = ? AND mark = ? AND kind = 'tombstone'"
BURIED = "SELECT 1 FROM marks WHERE client_key = ? AND kind = 'tombstone' LIMIT 1"

NEXT_MARKS = "SELECT max(row) FROM (SELECT rowid AS row FROM marks WHERE rowid > ? ORDER BY rowid LIMIT ?)"
NEXT_GRANTS = "SELECT max(row) FROM (SELECT rowid AS row FROM grants WHERE rowid > ? ORDER BY rowid LIMIT ?)"
NEXT_SESSIONS = "SELECT max(row) FROM (SELECT rowid AS row FROM sessions WHERE rowid > ? ORDER BY rowid LIMIT ?)"
NEXT_HOSTED = "SELECT max(row) FROM (SELECT rowid AS row FROM hosted_documents WHERE rowid > ? ORDER BY rowid LIMIT ?)"
NEXT_INVITATIONS = "SELECT max(row) FROM (SELECT rowid AS row FROM initial_access_tokens WHERE rowid > ? ORDER BY rowid LIMIT ?)"
NEXT_PRUNED = "SELECT max(row) FROM (SELECT rowid AS row FROM pruned_clients WHERE rowid > ? ORDER BY rowid LIMIT ?)"
SWEEP_ALL_MARKS = "DELETE FROM marks WHERE rowid > ? AND rowid <= ? AND expires_at <= ?"
HOLD_SWEPT_GRANTS = "SELECT 1 FROM grants WHERE rowid > ? AND rowid <= ? AND state <> 'pending'"
REMEMBER_APPROVED = f"""
UPDATE clients SET approved = 1 WHERE approved = 0 AND (client_key, incarnation) IN (
    SELECT client_key, incarnation FROM grants WHERE rowid > ? AND rowid <= ? AND state <> 'pending' AND {an_ended_grant()}
)
"""
SWEEP_GRANTS = f"DELETE FROM grants WHERE rowid > ? AND rowid <= ? AND {an_ended_grant()}"
SWEEP_ALL_SESSIONS = "DELETE FROM sessions WHERE rowid > ? AND rowid <= ? AND expires_at <= ?"
SWEEP_ALL_HOSTED = "DELETE FROM hosted_documents WHERE rowid > ? AND rowid <= ? AND expires_at <= ?"
SWEEP_INVITATIONS = """
DELETE FROM initial_access_tokens WHERE rowid > ? AND rowid <= ? AND created_at <= ?
    AND (uses_left = 0 OR expires_at > 0 AND expires_at <= ?)
    AND NOT EXISTS (SELECT 1 FROM clients WHERE clients.invitation = initial_access_tokens.id)
    AND NOT EXISTS (SELECT 1 FROM pruned_clients WHERE pruned_clients.invitation = initial_access_tokens.id)
"""
SWEEP_PRUNED = "DELETE FROM pruned_clients WHERE rowid > ? AND rowid <= ? AND until <= ?"
OF_THE_PRUNER = (
    *(NEXT_CLIENTS, SUSPECTS, NEXT_MARKS, NEXT_GRANTS),
    *(SWEEP_ALL_MARKS, HOLD_SWEPT_GRANTS, REMEMBER_APPROVED, SWEEP_GRANTS, SWEEP_INVITATIONS),
)
"""Statements on tables of clients that walk over them in bounded steps."""

LEASE = """
INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE leases.holder = excluded.holder OR leases.until <= ?
"""
ENTER_GATE = "INSERT INTO leases (name, holder, until) VALUES (?, x'', 0)"
LEAVE_GATE = "DELETE FROM leases WHERE name = ?"

# Over all clients -----------------------------------------------------------------------------------------------------------------
CLIENTS_FROM = f"SELECT {columns(CLIENT)} FROM clients WHERE client_key > ? ORDER BY client_key LIMIT ?"
CLIENTS_BEHIND = f"SELECT {columns(CLIENT)} FROM clients WHERE client_id > ? ORDER BY client_id, client_key LIMIT ?"
HELD_BEHIND = f"""
SELECT {columns(CLIENT)} FROM clients WHERE state = 'held' AND client_id > ? ORDER BY client_id, client_key LIMIT ?
"""


def _said(name: str) -> str:
    """A member of a card, as the indexes of claims have it."""
    return f"json_extract(CAST(metadata AS TEXT), '$.{name}')"


def _scheme(uri: str) -> str:
    return f"lower(substr({uri}, 1, instr({uri}, ':') - 1))"


_URIS = tuple(_said(f"redirect_uris[{number}]") for number in range(3))
CLAIMING_SOFTWARE = f"SELECT {columns(CLIENT)} FROM clients WHERE {_said('software_id')} = ? LIMIT ?"
_OWN = tuple(f"SELECT {columns(CLIENT)} FROM clients WHERE {_scheme(uri)} = ? AND {uri} NOT LIKE 'http%'" for uri in _URIS)
CLAIMING_SCHEME = " UNION ".join(_OWN) + " LIMIT ?"
SAME_SOFTWARE = f"SELECT 1 FROM clients WHERE {_said('software_id')} = ? AND {_said('software_version')} IS ?"
STRANGERS = """
SELECT count(*) FROM (
    SELECT 1 FROM clients WHERE tier = 0 AND approved = 0 AND state <> 'suspended' AND NOT EXISTS (
        SELECT 1 FROM grants WHERE grants.client_key = clients.client_key AND grants.incarnation = clients.incarnation
            AND grants.state <> 'pending'
    ) LIMIT ?
) AS found
"""
OF_A_TIER = "SELECT count(*) FROM (SELECT 1 FROM clients WHERE tier = ? LIMIT ?) AS found"
GENERATIONS_BY_KEY = """
WITH refreshed AS (
    SELECT refresh_issued, refresh_confirmed, refresh_issued_key, refresh_confirmed_key
    FROM grants JOIN person_state ON person_state.person = grants.person AND person_state.epoch = grants.person_epoch
    WHERE grants.state = 'live'
) SELECT number, count(*) FROM (
    SELECT rat_issued_key AS number FROM clients WHERE route = 'registered'
    UNION ALL SELECT rat_confirmed_key FROM clients WHERE route = 'registered' AND rat_confirmed < rat_issued
    UNION ALL SELECT secret_issued_key FROM clients WHERE secret_kind = 'derived'
    UNION ALL SELECT secret_confirmed_key FROM clients WHERE secret_kind = 'derived' AND secret_confirmed < secret_issued
    UNION ALL SELECT rat_issued_key FROM pruned_clients
    UNION ALL SELECT rat_confirmed_key FROM pruned_clients WHERE rat_confirmed < rat_issued
    UNION ALL SELECT secret_issued_key FROM pruned_clients WHERE secret_kind = 'derived'
    UNION ALL SELECT secret_confirmed_key FROM pruned_clients WHERE secret_kind = 'derived' AND secret_confirmed < secret_issued
    UNION ALL SELECT refresh_issued_key FROM refreshed
    UNION ALL SELECT refresh_confirmed_key FROM refreshed WHERE refresh_confirmed < refresh_issued
    UNION ALL SELECT handle_key FROM webhooks
    UNION ALL SELECT handle_key FROM sessions WHERE expires_at > ?
    UNION ALL SELECT handle_key FROM initial_access_tokens WHERE uses_left > 0 AND (expires_at = 0 OR expires_at > ?)
) AS kept WHERE number > 0 GROUP BY number ORDER BY number
"""
OF_CLAIMANTS = (CLAIMING_SOFTWARE, CLAIMING_SCHEME, SAME_SOFTWARE, OF_A_TIER)
"""Asked only by newcomers with a private-use scheme, of software of which the operator wants one, or of a tier that is counted."""
ACROSS_CLIENTS = (CLIENTS_FROM, CLIENTS_BEHIND, HELD_BEHIND, STRANGERS, *OF_CLAIMANTS, GENERATIONS_BY_KEY, *OF_THE_PRUNER)
"""The only statements on tables of clients that do not stay with one client; clients cause `STRANGERS` and `OF_CLAIMANTS` alone."""

# People ---------------------------------------------------------------------------------------------------------------------------
PERSON_BY_ID = f"SELECT {a_person()} FROM people JOIN person_state ON person_state.person = people.person WHERE people.person = ?"
PERSON_BY_NAME = (
    f"SELECT {a_person()} FROM people JOIN person_state ON person_state.person = people.person WHERE people.name = ? COLLATE NOCASE"
)
PEOPLE_BEHIND = f"""
SELECT {a_person()} FROM people JOIN person_state ON person_state.person = people.person
WHERE people.name > ? COLLATE NOCASE ORDER BY people.name COLLATE NOCASE LIMIT ?
"""
HOLD_PERSON = "SELECT 1 FROM people WHERE person = ?"
HOLD_STANDING = "SELECT 1 FROM person_state WHERE person = ?"
STANDS = "SELECT 1 FROM person_state WHERE person = ? AND epoch = ? AND active = 1"
ACTIVE = "SELECT 1 FROM person_state WHERE person = ? AND active = 1"
INSERT_PERSON = f"{insert('people', PEOPLE)} ON CONFLICT DO NOTHING"
INSERT_STANDING = insert("person_state", ("person", *STANDING))
INSERT_IDENTITY = insert("identities", ("issuer", "subject", "person", "created_at"))
CHANGE_PERSON = f"""
UPDATE people SET role = ?, password = ?, claims = ? WHERE person = ? AND {same(("role", "password"))}
    AND EXISTS (SELECT 1 FROM person_state WHERE person_state.person = people.person AND {same(STANDING)})
"""
CHANGE_STANDING = f"UPDATE person_state SET {put(STANDING)} WHERE person = ?"

# Sessions and passkeys ------------------------------------------------------------------------------------------------------------
SESSION_BY_ID = f"""
SELECT {of("sessions", SESSION)}, {a_person()} FROM sessions
JOIN people ON people.person = sessions.person JOIN person_state ON person_state.person = sessions.person
WHERE sessions.person = ? AND sessions.session = ?
"""
SESSIONS = f"SELECT {columns(SESSION)} FROM sessions WHERE person = ? AND expires_at > ? ORDER BY created_at DESC, session"
INSERT_SESSION = f"{insert('sessions', (*SESSION, 'last_used_at'))} ON CONFLICT (person, session) DO NOTHING"
DELETE_SESSION = "DELETE FROM sessions WHERE person = ? AND session = ?"
DELETE_SESSIONS = "DELETE FROM sessions WHERE person = ?"
SWEEP_SESSIONS = "DELETE FROM sessions WHERE person = ? AND expires_at <= ?"
PASSKEYS = f"SELECT {columns(PASSKEY)} FROM passkeys WHERE person = ? ORDER BY created_at, id"
PASSKEY_BY_ID = f"""
SELECT {of("passkeys", PASSKEY)}, {a_person()} FROM passkeys
JOIN people ON people.person = passkeys.person JOIN person_state ON person_state.person = passkeys.person
WHERE passkeys.id = ?
"""
INSERT_PASSKEY = f"{insert('passkeys', PASSKEY)} ON CONFLICT (id) DO NOTHING"
USE_PASSKEY = "UPDATE passkeys SET count = ?, last_used_at = ? WHERE person = ? AND id = ? AND count = ?"
DELETE_PASSKEY = "DELETE FROM passkeys WHERE person = ? AND id = ?"

# Invitations ----------------------------------------------------------------------------------------------------------------------
INVITATION_BY_ID = f"SELECT {columns(INVITATION)} FROM initial_access_tokens WHERE id = ?"
INVITATIONS_BEHIND = f"SELECT {columns(INVITATION)} FROM initial_access_tokens WHERE id > ? ORDER BY id LIMIT ?"
INSERT_INVITATION = f"{insert('initial_access_tokens', INVITATION)} ON CONFLICT (id) DO NOTHING"
TAKE_A_USE = (
    "UPDATE initial_access_tokens SET uses_left = uses_left - 1 WHERE id = ? AND uses_left > 0 AND (expires_at = 0 OR expires_at > ?)"
)
TAKE_ALL_USES = "UPDATE initial_access_tokens SET uses_left = 0, revoked_at = ? WHERE id = ? AND revoked_at = 0"

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

# Webhooks -------------------------------------------------------------------------------------------------------------------------
NEWS = f"""
SELECT {columns(EVENT)} FROM events
WHERE rowid > coalesce((SELECT rowid FROM events WHERE writer = ? AND number = ?), 0) ORDER BY rowid LIMIT ?
"""
WEBHOOKS = f"SELECT {columns(WEBHOOK)} FROM webhooks ORDER BY rowid"
HOLD_WEBHOOK = "SELECT 1 FROM webhooks WHERE id = ?"
WEBHOOK_BY_ID = f"SELECT {columns(WEBHOOK)} FROM webhooks WHERE id = ?"
INSERT_WEBHOOK = insert("webhooks", WEBHOOK)
CHANGE_WEBHOOK = f"UPDATE webhooks SET {put(WEBHOOK_CHANGED)} WHERE id = ?"
DELETE_WEBHOOK = "DELETE FROM webhooks WHERE id = ?"

# Settings -------------------------------------------------------------------------------------------------------------------------
PROBE = "INSERT INTO settings (name, value) VALUES ('probed', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
