"""No credential is written down: after a run with every kind of one, the data folder and the logs know none of them (H-23, X-39)."""

import base64
import io
import json
import logging
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import apsw
import pytest

from calling_card.logs import Log, Relay
from calling_card.protocol.handles.credentials import CLIENT_SECRET, INITIAL_ACCESS_TOKEN, REGISTRATION_ACCESS_TOKEN
from calling_card.store.database import Database
from tests.faults.process import Server, command
from tests.ledger import meets
from tests.security.outsider import FORM, JSON, Reply, basic, bearer, call, post
from tests.security.traces import Credential, found, kind_of, spellings

DATABASE, KEYRING = "calling-card.sqlite3", "keyring.json"
CALLBACK = "https://app.example/cb"
MACHINE = {"redirect_uris": [], "grant_types": ["client_credentials"]}
GRANT = {"grant_type": "client_credentials"}
OPAQUE, SIGNED = "https://api.example", "https://signed.example"


@dataclass
class Run:
    """A server and everything it ever gave out."""

    server: Server
    issued: dict[str, str] = field(default_factory=dict[str, str])
    """Name to credential."""
    places: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Where a credential could have been left: name to content."""

    def keep(self, name: str, credential: object) -> str:
        """Note a credential that was issued, unless it was known."""
        assert isinstance(credential, str)
        assert len(credential) > 40
        if credential not in self.issued.values():
            assert name not in self.issued
            self.issued[name] = credential
        return credential

    @property
    def credentials(self) -> list[Credential]:
        return [Credential(name, text) for name, text in self.issued.items()]

    def operator(self, *arguments: str) -> object:
        """A command that must succeed; what it says on standard error is searched too."""
        done = command(self.server.data, *arguments)
        assert done.returncode == 0, done.stderr
        self.places[f"errors of command {len(self.places)}"] = done.stderr.encode()
        return [json.loads(line) for line in done.stdout.splitlines()] if arguments == ("audit", "export") else json.loads(done.stdout)

    def told(self, *arguments: str) -> Mapping[str, str]:
        """A command that answers an object."""
        answer = self.operator(*arguments)
        assert isinstance(answer, dict)
        return cast("Mapping[str, str]", answer)

    def card(self, name: str, reply: Reply) -> Mapping[str, str]:
        """An answer of registration or management, and the credentials in it."""
        assert reply.status in (200, 201), reply.body
        card: Mapping[str, str] = reply.json
        for member in ("client_secret", "registration_access_token"):
            if member in card:
                self.keep(f"{member} {name}", card[member])
        return card

    def look(self, moment: str) -> None:
        """Remember every file of the folder but the keyring."""
        for path in self.server.data.rglob("*"):
            if path.is_file() and path.name != KEYRING:
                self.places[f"{path.name} {moment}"] = path.read_bytes()


def register(run: Run, name: str, body: Mapping[str, object], token: str = "") -> Mapping[str, str]:
    headers = {**JSON, **(bearer(token) if token else {})}
    return run.card(name, call(run.server.port, "POST", "/register", json.dumps(body).encode(), headers))


def replaced(run: Run, name: str, card: Mapping[str, str], **members: object) -> Mapping[str, str]:
    body = {"client_id": card["client_id"], "redirect_uris": [CALLBACK], **members}
    headers = {**JSON, **bearer(card["registration_access_token"])}
    return run.card(name, call(run.server.port, "PUT", f"/register/{card['client_id']}", json.dumps(body).encode(), headers))


def token(run: Run, name: str, card: Mapping[str, str], resource: str) -> str:
    reply = post(run.server.port, "/token", {**GRANT, "resource": resource}, basic(card["client_id"], card["client_secret"]))
    assert reply.status == 200, reply.body
    return run.keep(name, reply.json["access_token"])


def ask(run: Run, path: str, card: Mapping[str, str], text: str) -> Reply:
    reply = post(run.server.port, path, {"token": text, "token_type_hint": "access_token"}, basic(card["client_id"], card["client_secret"]))
    assert reply.status == 200, reply.body
    return reply


def live(run: Run) -> None:
    """Every kind of credential is made, used, rotated, revoked and outlived."""
    scope = {"scope": "orders:read"}
    opaque = run.told("resource", "add", OPAQUE, "--scopes", "orders:read")
    signed = run.told("resource", "add", SIGNED, "--scopes", "orders:read", "--tokens", "jwt")
    run.keep("introspection credential", opaque["client_secret"])
    run.keep("introspection credential of another", signed["client_secret"])
    invitation = ("invite", "--uses", "9", "--grant", "client_credentials", "--scope", "orders:read")
    used = run.keep("initial access token", run.told(*invitation)["initial_access_token"])
    run.keep("initial access token nobody used", run.told("invite")["initial_access_token"])

    stranger = register(run, "of a stranger", {"redirect_uris": [CALLBACK]})
    machines = [register(run, f"of machine {n}", {**MACHINE, **scope}, used) for n in range(4)]
    access = [token(run, f"opaque token {n}", machine, OPAQUE) for n, machine in enumerate(machines)]
    jwts = [token(run, f"signed token {n}", machine, SIGNED) for n, machine in enumerate(machines)]
    for text in access:
        assert ask(run, "/introspect", opaque, text).json["active"]
    for text in jwts:
        assert ask(run, "/introspect", signed, text).json["active"]
    for text in (access[0], jwts[0]):
        ask(run, "/revoke", machines[0], text)
        assert not ask(run, "/introspect", machines[0], text).json["active"]

    stranger = replaced(run, "after a replacement", stranger)
    stranger = replaced(run, "after two replacements", stranger, token_endpoint_auth_method="none")
    stranger = replaced(run, "with a secret again", stranger)
    call(run.server.port, "GET", f"/register/{stranger['client_id']}", headers=bearer(stranger["registration_access_token"]))
    run.operator("keys", "rotate")
    run.operator("keys", "rotate", "--signing")
    rotated = {**machines[1], **run.told("client", "rotate", machines[1]["client_id"])}
    run.card("after a rotation", Reply(200, {}, json.dumps(rotated).encode()))
    token(run, "opaque token after the rotations", rotated, OPAQUE)
    token(run, "signed token after the rotations", rotated, SIGNED)
    rotated = {**machines[2], **run.told("client", "rotate", machines[2]["client_id"], "--now")}
    run.card("after an incident", Reply(200, {}, json.dumps(rotated).encode()))
    for member in ("client_secret", "registration_access_token"):
        misplace(run, machines[3], run.issued[f"{member} of machine 3"])
    for text in (used, access[1], jwts[1], opaque["client_secret"], stranger["registration_access_token"]):
        misplace(run, stranger, text)

    run.operator("client", "suspend", machines[1]["client_id"])
    run.operator("client", "delete", machines[2]["client_id"])
    gone = call(
        run.server.port, "DELETE", f"/register/{machines[3]['client_id']}", headers=bearer(machines[3]["registration_access_token"])
    )
    assert gone.status == 204
    for name, text in tuple(run.issued.items()):
        assert call(run.server.port, "GET", f"/register/{machines[3]['client_id']}", headers=bearer(text)).status == 401, name


def misplace(run: Run, card: Mapping[str, str], text: str) -> None:
    """A credential sent where it does not belong; all of this is refused."""
    path = f"/register/{card['client_id']}"
    own = bearer(card["registration_access_token"])
    said = json.dumps({"client_id": card["client_id"], "redirect_uris": [CALLBACK], "access_token": text}).encode()
    chosen = json.dumps({"client_id": card["client_id"], "redirect_uris": [CALLBACK], "client_secret": f"{text}x"}).encode()
    wrong = json.dumps({"redirect_uris": [f"ftp://app.example/{text}"], "default_max_age": text, f"client_name#{text}": 1}).encode()
    spread = {
        "Cookie": f"t={text}",
        "Referer": f"https://app.example/?t={text}",
        "User-Agent": text,
        "X-Api-Key": text,
        "X-Request-Id": text,
    }
    asks: list[tuple[str, str, bytes, Mapping[str, str]]] = [
        ("GET", f"{path}?access_token={text}", b"", own),
        ("POST", f"/register?access_token={text}", said, JSON),
        ("GET", f"/register/{text}", b"", bearer(text)),
        ("GET", f"/{text}?token={text}#{text}", b"", spread),
        ("GET", path, b"", {"Authorization": text}),
        ("GET", path, b"", {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}),
        ("GET", path, b"", {"Authorization": f"Bearer {text} {text}"}),
        ("PUT", path, said, {**JSON, **own}),
        ("PUT", path, chosen, {**JSON, **own}),
        ("PUT", path, wrong, {**JSON, **own}),
        ("POST", "/register", said, JSON),
        ("POST", "/register", wrong, JSON),
        ("POST", "/register", f'{{"{text}": 1, "{text}": 2}}'.encode(), JSON),
        ("POST", "/register", f'{{"client_name": {text}'.encode(), JSON),
        ("POST", "/register", text.encode(), {"Content-Type": f"text/plain; {text}"}),
        ("POST", f"/token?client_secret={text}", b"", FORM),
        ("POST", "/token", f"client_id={text}&client_id={text}".encode(), FORM),
        ("POST", "/token", f"{text}=1&{text}=2".encode(), FORM),
        ("POST", "/token", f"client_id={text}&client_secret={text}&grant_type={text}".encode(), FORM),
        ("POST", "/token", f"grant_type={text}&scope={text}&resource=https://{text}".encode(), {**FORM, **basic(text, text)}),
        ("POST", "/introspect", f"token={text}".encode(), {**FORM, **bearer(text)}),
        ("POST", "/revoke", f"token={text}&token_type_hint={text}".encode(), {**FORM, **basic(card["client_id"], text + "x")}),
    ]
    for method, target, body, headers in asks:
        reply = call(run.server.port, method, target, body, headers)
        assert 400 <= reply.status < 500, (method, target, body, reply)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, servers: Callable[[Path], Server]) -> Run:
    """The whole life once, its folder read while the server runs and after its end, and all its output."""
    run = Run(servers(tmp_path_factory.mktemp("secrets") / "data"))
    before = os.umask(0)
    try:
        run.server.start(LOG_LEVEL="debug")
        live(run)
    finally:
        os.umask(before)
    run.look("while the server runs")
    run.places["list of clients"] = json.dumps([run.operator("client", "list"), run.operator("resource", "list")]).encode()
    run.places["settings"] = json.dumps([run.operator("config", "print"), run.operator("keys", "list")]).encode()
    run.places["audit trail"] = json.dumps(run.operator("audit", "export")).encode()
    stream = run.server.running.stdout
    assert stream is not None
    run.server.running.terminate()
    run.places["standard output"] = stream.read()
    assert run.server.ended() == 0
    run.places["log"] = run.server.log.read_bytes()
    run.look("after the end")
    return run


@meets("H-23", "X-39", "R-24")
def test_no_credential_is_left_in_the_data_folder_or_in_any_output(run: Run) -> None:
    assert found(run.places, run.credentials) == []


def test_the_run_had_every_kind_of_credential_and_its_places_have_something_in_them(run: Run) -> None:
    kinds = [kind_of(text) for text in run.issued.values()]

    assert [kinds.count(kind) for kind in (CLIENT_SECRET, REGISTRATION_ACCESS_TOKEN, INITIAL_ACCESS_TOKEN)] == [10, 10, 2]
    assert sum(text.startswith("cc_at_") for text in run.issued.values()) == 5
    assert sum(text.startswith("eyJ") for text in run.issued.values()) == 5
    assert {f"{DATABASE} while the server runs", f"{DATABASE}-wal while the server runs", "heads.json after the end"} <= set(run.places)
    assert all(content or name.startswith(("errors of", "standard output")) for name, content in run.places.items())
    assert len(run.places["log"].splitlines()) > 300
    assert b"client_deleted" in run.places["audit trail"]


@meets("X-39", "H-22")
def test_neither_is_anything_from_which_credentials_are_made(run: Run) -> None:
    keyring = json.loads((run.server.data / KEYRING).read_text("utf-8"))
    secrets = [Credential(f"key {key['number']}", key["secret"], base64.b64decode(key["secret"])) for key in keyring["keys"]]

    assert len(secrets) == 2
    assert found(run.places, secrets) == []
    assert found({KEYRING: (run.server.data / KEYRING).read_bytes()}, secrets) != []
    assert not any(b'"d":' in content or b"PRIVATE KEY" in content for content in run.places.values())


@meets("X-56", "X-39")
def test_everything_on_standard_error_is_one_object_a_line(run: Run) -> None:
    lines = [json.loads(line) for line in run.places["log"].splitlines()]

    assert all(isinstance(line, dict) and "event" in line for line in lines)


@meets("X-39", "A-91")
def test_what_is_kept_is_kept_from_others_whatever_the_umask(run: Run) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (run.server.data, *run.server.data.iterdir())}

    assert modes.pop("data") == 0o700
    assert {KEYRING, DATABASE, "heads.json"} <= set(modes)
    assert set(modes.values()) == {0o600}


@meets("X-39", "X-56")
def test_neither_do_libraries_write_credentials_or_lines_of_their_own() -> None:
    written = io.StringIO()
    log = logging.Logger("library")  # noqa: LOG001 # not one that others share
    log.addHandler(Relay(Log("info", written)))

    log.warning("odd\nrequest with %s", "cc_rat_AbC-_123")
    log.error("went wrong", exc_info=ValueError("cc_secret_AbC-_123"))
    log.info("chatter")

    first, second = [json.loads(line) for line in written.getvalue().splitlines()]
    assert (first["event"], first["level"], first["logger"]) == ("library", "warning", "library")
    assert first["said"] == "odd\nrequest with cc_rat_..."
    assert (second["level"], second["said"]) == ("error", "went wrong")
    assert second["exception"].endswith("ValueError: cc_secret_...")


# ── The search would find them ───────────────────────────────────────────────────────────────────────────────────────


def opened(path: Path) -> Database:
    """A connection without our settings."""
    return cast("Database", apsw.Connection(str(path)))


@pytest.fixture(scope="module")
def credentials(run: Run) -> list[Credential]:
    """One of each kind."""
    return list({(kind_of(one.text), one.text[:5]): one for one in run.credentials}.values())


def test_a_credential_written_into_the_database_in_any_spelling_would_be_found(
    run: Run, credentials: list[Credential], tmp_path: Path
) -> None:
    assert len(credentials) == 5
    for number, credential in enumerate(credentials):
        for spelling, value in spellings(credential).items():
            planted = tmp_path / f"{number} {spelling}"
            shutil.copy(run.server.data / DATABASE, planted)
            with closing(opened(planted)) as db:
                db.execute("CREATE TABLE planted (value BLOB)")
                db.execute("INSERT INTO planted VALUES (?)", (b"before " + value + b" after",))
            places = {"database": planted.read_bytes()}
            planted.unlink()

            assert any(line.startswith(credential.name) for line in found(places, credentials)), (credential.name, spelling)


def test_a_credential_that_was_deleted_again_would_be_found_in_the_free_pages(
    run: Run, credentials: list[Credential], tmp_path: Path
) -> None:
    planted = tmp_path / DATABASE
    shutil.copy(run.server.data / DATABASE, planted)
    with closing(opened(planted)) as db:
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("CREATE TABLE planted (value TEXT)")
        for credential in credentials:
            db.execute("INSERT INTO planted VALUES (?)", (credential.text,))
        db.execute("DROP TABLE planted")

    lines = found({"database": planted.read_bytes()}, credentials)

    assert {credential.name for credential in credentials} == {line.partition(" as ")[0] for line in lines}


def test_what_a_row_may_know_is_not_taken_for_a_secret(run: Run) -> None:
    """Client key and incarnation stand in the row and in every handle; a search for them would always find something."""
    with closing(opened(run.server.data / DATABASE)) as db:
        owners = [
            bytes(row[0])
            for row in cast("list[tuple[bytes]]", db.execute("SELECT CAST(client_key || incarnation AS BLOB) FROM clients").fetchall())
        ]
    secrets = [text for text in run.issued.values() if text.startswith("cc_secret_")]
    decoded = [base64.urlsafe_b64decode(text.removeprefix("cc_secret_") + "==") for text in secrets]

    assert len(owners) == 5
    assert all(any(owner in handle for handle in decoded) for owner in owners)
    assert not any(owner in credential.secret for owner in owners for credential in run.credentials)
