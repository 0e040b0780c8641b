"""What the source must not contain, and what shows that it does not (X-73, X-78, X-38)."""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import calling_card
from calling_card.store import statements
from tests.ledger import meets
from tests.world import CALLBACK, ISSUER, body_of, world

SOURCE = Path(calling_card.__file__).parent
SERVER = ("protocol", "usecases", "store", "keys", "web")
DOOR = "fetch/"
"""The one folder that talks to strangers; tests/fetch and test_ssrf watch it at work."""


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of the program."""
    return {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}


def nodes(*folders: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node below these folders, or of the whole program but its door to strangers."""
    for name, tree in trees().items():
        if (not folders and not name.startswith(DOOR)) or name.startswith(tuple(f"{folder}/" for folder in folders or "-")):
            for node in ast.walk(tree):
                yield name, node


def imports(*folders: str) -> set[str]:
    """The full names of what is imported."""
    found: set[str] = set()
    for _, node in nodes(*folders):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{one.name}" for one in node.names}
    return found


def called(node: ast.AST) -> str:
    """The last word of what is called."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""


def test_the_whole_program_is_looked_at() -> None:
    assert len(trees()) > 60
    assert {name.partition("/")[0] for name in trees()} >= set(SERVER)


# ── No query is built ────────────────────────────────────────────────────────────────────────────────────────────────

PLACE: dict[str, int] = dict.fromkeys(
    (
        *("execute", "executemany", "fetch", "fetchmany", "fetchval", "_read", "_scan", "_one"),
        *("rows", "there", "count", "changed", "each", "hold", "one"),
        *("Look", "Change", "Many", "Hold", "Settle"),
    ),
    0,
)
"""What takes a statement, and where."""
NOT_CONSTANT = {
    ("store/drive.py", "*step.first"),
    ("store/drive.py", "*step.then"),
    ("store/drive.py", "step.statement"),
    ("store/files.py", "pragma"),
    ("store/migrations.py", "step.statements"),
    ("store/migrations.py", "f'PRAGMA application_id = {APPLICATION}'"),
    ("store/migrations.py", "f'PRAGMA user_version = {step.version}'"),
    ("store/migrations.py", "f'PRAGMA {pragma}'"),
    *(("store/postgres/lanes.py", said) for said in ("text", "text_of(step.statement)", "text_of(sql.INSERT_EVENT)", "said[0][0]")),
    *(("store/postgres/migrations.py", said) for said in ("step.statements",)),
    *(("store/postgres/pool.py", said) for said in ("text", "f'SET LOCAL statement_timeout = {SCAN}'")),
    *(("store/postgres/store.py", said) for said in ("text_of(statement)",)),
    ("store/sqlite.py", "statement"),
    ("store/sqlite_backup.py", "pragma"),
    ("store/steps.py", "statement"),
    ("store/transactions.py", "statement"),
    ("store/verbs/clients.py", "*marking(client, token, now)"),
    ("store/verbs/clients.py", "statement"),
    ("store/verbs/lives.py", "statement"),
    ("store/verbs/pruning.py", "kind.held"),
    ("store/verbs/pruning.py", "kind.window"),
    ("store/verbs/pruning.py", "statement"),
}
"""Our own files, numbers and loops over constants; the test below looks at ``statement``."""


@cache
def texts(module: str) -> frozenset[str]:
    """The names that a module gives to texts that stand there."""
    given = [node for node in trees()[module].body if isinstance(node, ast.Assign) and is_constant(node.value)]
    return frozenset(ast.unparse(target) for node in given for target in node.targets)


def is_constant(node: ast.AST, module: str = "store/statements.py") -> bool:
    """A text that stands there, one that the module has a name for, or a row of the table of statements."""
    if isinstance(node, ast.Name):
        return node.id.isupper() and node.id in texts(module)
    if isinstance(node, ast.IfExp):
        return is_constant(node.body, module) and is_constant(node.orelse, module)
    if isinstance(node, ast.Tuple):
        return all(is_constant(one, module) for one in node.elts)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sql" and node.attr.isupper()


TABLES = ("store/statements.py", "store/postgres/dialect.py")
"""Where statements are put together, of our own tables of names."""


@meets("X-73")
def test_every_statement_is_a_constant() -> None:
    asked = [
        (name, node.args[PLACE[called(node)]]) for name, node in nodes("store") if isinstance(node, ast.Call) and called(node) in PLACE
    ]

    assert len(asked) > 40
    assert {name for name, node in nodes() if called(node).startswith("execute")} <= {name for name, _ in asked}
    assert {(name, ast.unparse(said)) for name, said in asked if not is_constant(said, name)} == NOT_CONSTANT


@meets("X-73")
def test_what_is_called_a_statement_is_one_of_the_table() -> None:
    given = [node.value for _, node in nodes("store") if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "statement"]
    loops = [node.iter for _, node in nodes("store") if isinstance(node, ast.For) and ast.unparse(node.target) == "statement"]
    walked = [value for value in loops if ast.unparse(value) != "kind.statements"]
    sweeps = [node for _, node in nodes("store") if isinstance(node, ast.Call) and called(node) == "Sweep"]

    assert given
    assert walked
    assert len(loops) == len(walked) + 1
    assert sweeps
    assert all(is_constant(value) for value in [*given, *walked, *(said for node in sweeps for said in node.args[:2])])


@meets("X-73")
def test_the_table_of_statements_is_made_of_our_own_names_alone() -> None:
    makers = {"columns", "places", "insert", "put", "same"}
    made = [node for node in ast.walk(trees()["store/statements.py"]) if called(node) in makers and isinstance(node, ast.Call)]
    said = {ast.unparse(argument) for node in made for argument in node.args}
    elsewhere = [
        name for name, node in nodes("store") if name != "store/statements.py" and ast.unparse(node) in {f"sql.{m}" for m in makers}
    ]

    assert made
    assert {word for word in said if not re.fullmatch(r"names|'[a-z_]+'|\*?[A-Z_]+|\((?:(?:'[a-z_]+'|\*[A-Z_]+),? ?)+\)", word)} == set()
    assert elsewhere == []
    assert all(isinstance(value, str | tuple) for name, value in vars(statements).items() if name.isupper())


@meets("X-73")
def test_no_text_with_a_query_in_it_is_put_together_anywhere_else() -> None:
    query = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|ORDER BY|PRAGMA|ATTACH|VALUES)\b")
    joined = {
        (name, ast.unparse(node))
        for name, node in nodes()
        if isinstance(node, ast.JoinedStr | ast.BinOp) and query.search(ast.unparse(node)) and name not in TABLES
    }

    assert {pair for pair in joined if pair not in NOT_CONSTANT} == set()


# ── Nothing goes out ─────────────────────────────────────────────────────────────────────────────────────────────────

CLIENTS = re.compile(
    r"(http\.client|urllib\.request|urllib3|requests|httpx|aiohttp|socket|ssl|ftplib|smtplib|poplib|imaplib|telnetlib|xmlrpc|webbrowser"
    r"|dns|ldap|ldap3|subprocess|multiprocessing|pty|paramiko|asyncio\.subprocess)(\.|$)"
)
OUTWARD = {
    "open_connection",
    "create_connection",
    "create_datagram_endpoint",
    "create_subprocess_exec",
    "create_subprocess_shell",
    "subprocess_exec",
    "urlopen",
    "getaddrinfo",
    "gethostbyname",
    "sock_connect",
    "connect",
    "system",
    "popen",
    "Popen",
    "execv",
    "execve",
    "posix_spawn",
    "fork",
}

AGAIN = {("cli/handing.py", "create_subprocess_exec"), ("cli/handing.py", "getaddrinfo")}
"""The command line starts itself again, as worker or successor, and looks up the address it listens on; nothing of a request gets there."""


@meets("X-78")
def test_the_server_has_nothing_to_reach_out_with() -> None:
    assert {name for name in imports(*SERVER) if CLIENTS.match(name)} == set()
    assert {name for name in imports() if CLIENTS.match(name)} == {"socket", "asyncio.subprocess.DEVNULL", "asyncio.subprocess.Process"}
    assert {(name, called(node)) for name, node in nodes() if called(node) in OUTWARD} == AGAIN | TO_ITS_DATABASE


TO_ITS_DATABASE = {("store/postgres/pool.py", "connect")}
"""Where the operator's own setting leads."""

WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "subprocess.Popen", "os.system", "os.exec")
URLS = ("client_uri", "logo_uri", "policy_uri", "tos_uri", "initiate_login_uri", "jwks_uri", "sector_identifier_uri")


class Watch:
    """Notes what the interpreter says about reaching out, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on and event in WATCHED:
            self.seen.append(f"{event} {arguments!r}")


@meets("X-78", "X-71")
@pytest.mark.parametrize("target", ["https://127.0.0.1/x", "https://localhost:1/x", "https://app.example/x", "https://169.254.169.254/x"])
async def test_no_address_that_a_client_names_is_looked_up_or_called(tmp_path: Path, target: str) -> None:
    server, watch = await world(tmp_path), Watch()
    card = await server.register()

    watch.on = True
    for member in URLS:
        await server.post_json("/register", {"redirect_uris": [CALLBACK], member: target})
        await server.put(card, body_of(card, **{member: target}))
    await server.call("GET", f"/.well-known/oauth-authorization-server?issuer={target}", headers={"host": "evil.example"})
    watch.on = False

    assert watch.seen == []


@meets("X-78")
async def test_no_value_of_a_request_becomes_part_of_an_address_of_ours(tmp_path: Path) -> None:
    server = await world(tmp_path)
    canary = "canary-4711"
    headers = {
        "content-type": "application/json",
        "host": canary,
        "x-forwarded-host": canary,
        "forwarded": f"host={canary}",
        "referer": canary,
    }

    body = b'{"redirect_uris":["https://app.example/canary-4711"],"client_name":"canary-4711","software_id":"canary-4711"}'
    made = await server.call("POST", f"/register?{canary}={canary}", body, headers)
    described = await server.call("GET", f"/.well-known/openid-configuration?x={canary}", headers=headers)

    card = made.json
    ours = f"{ISSUER}/register/{card['client_id']}"
    assert (made.headers["location"], card["registration_client_uri"]) == (ours, ours)
    assert all(
        str(url).startswith(ISSUER) for name, url in described.json.items() if name == "issuer" or name.endswith(("_endpoint", "_uri"))
    )
    assert canary not in described.body.decode()
    assert canary not in str(made.headers)


# ── Nothing is run, unpacked or guessed at ───────────────────────────────────────────────────────────────────────────


def test_nothing_runs_or_unpacks_what_came_from_outside() -> None:
    dangerous = re.compile(
        r"(pickle|marshal|shelve|dill|yaml|xml|lxml|ctypes|code|runpy|random|uuid|tempfile|zipfile|tarfile|zlib|gzip)(\.|$)"
    )
    built_in = {"eval", "exec", "compile", "__import__", "import_module", "input", "vars", "globals", "setattr", "delattr"}
    run = [(name, ast.unparse(node)) for name, node in nodes() if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]

    assert {name for name in imports() if dangerous.match(name)} == {"tempfile.TemporaryDirectory", "zlib"}
    assert {name for name, node in nodes() if isinstance(node, ast.Import) and "zlib" in ast.unparse(node)} == {
        "protocol/handles/sealed.py"
    }
    assert {name for name in imports("fetch") if dangerous.match(name)} == {"zlib"}  # with a bound on what comes out
    assert {(name, said) for name, said in run if said.partition("(")[0] in built_in} == set()


def test_the_door_to_strangers_is_the_only_one() -> None:
    assert {name for name in imports() if name.startswith(("httpcore2", "dns", "PIL", "anyio"))} == set()
    assert any(name.startswith("httpcore2") for name in imports("fetch"))


def test_no_rule_is_an_assertion_that_an_optimising_interpreter_would_leave_out() -> None:
    assert [name for name, node in nodes() if isinstance(node, ast.Assert)] == []


def is_text(node: ast.expr) -> bool:
    """Whether this is written down text; bytes that are written down are how a head is put together."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_no_text_from_outside_is_a_format_or_a_pattern() -> None:
    formats = {
        ast.unparse(node)
        for name, node in nodes()
        if called(node) in {"format", "format_map", "Template", "safe_substitute"} and name != "web/pages/press.py"
    }
    percent = [name for name, node in nodes() if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and is_text(node.left)]
    patterns = {
        (name, ast.unparse(node.args[0]))
        for name, node in nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "re"
        and node.args
        and not isinstance(node.args[0], ast.Constant)
    }

    assert formats == set()  # the pages fill in the places of their own table; tests/web/pages put hostile text there
    assert percent == []
    assert all(re.fullmatch(r"""rf?['"].*""", said) or "{" in said for _, said in patterns), patterns
    assert all(word.isupper() for _, said in patterns for word in re.findall(r"\{([^{}0-9,][^{}]*)\}", said))


def test_what_serves_requests_opens_no_files() -> None:
    readers = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "glob", "rglob", "iterdir", "unlink", "mkdir"}
    found = {(name, ast.unparse(node)) for name, node in nodes("protocol", "usecases", "web") if called(node) in readers}

    ours = re.compile(
        r"keys\.open\(|ports\.keyring\.open\(|resources\.files\('calling_card\.web\.pages'\)\.joinpath\('(assets|templates)', name\)"
    )
    assert {pair for pair in found if not ours.match(pair[1])} == set()
    assert {name for name in imports("protocol", "usecases", "web") if name.startswith(("os", "pathlib", "io.", "shutil"))} == set()


def test_broken_digests_and_ciphers_are_not_used() -> None:
    weak = {"md5", "sha1", "ARC4", "TripleDES", "ECB", "CBC", "PKCS1v15"}
    digests = {node.attr for _, node in nodes() if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "hashlib"}

    assert {(name, called(node)) for name, node in nodes() if called(node) in weak} == set()
    assert digests == {"sha256", "pbkdf2_hmac"}  # the latter for secrets that another server hashed so


# ── Secrets are compared in constant time ────────────────────────────────────────────────────────────────────────────

SECRETS = re.compile(r"(^|[._])(mac|secret|incarnation|owner|signature|password|expected|raw|sealed|token|body)(\(|\[|$|\.encode)")
PLAIN = {
    ("usecases/manage.py", "secret != client.secret"): "generations, not texts",
    ("usecases/audit.py", "link(key, previous, event) != event.mac"): "an operator's own check of the audit trail",
    ("usecases/cohorts.py", "there.incarnation != client.incarnation"): "two rows of the store, neither of which anybody presented",
    ("usecases/restoring.py", "link(key, before, event) != event.mac"): "an operator's own check of an exported audit trail",
    ("usecases/moving.py", "there.incarnation != coming.incarnation"): "a row of the store and a line of the operator's file",
    ("usecases/moving.py", "there.imported == secret.encode()"): "what is kept, and a hash in the operator's file",
    ("protocol/moving/keycloak.py", "secret == _MASKED"): "the asterisks of an export without secrets",
    ("usecases/audit.py", "head[1] != event.mac"): "an operator's own check of the audit trail",
}


@meets("X-38")
def test_nothing_secret_is_compared_letter_by_letter() -> None:
    compared: set[tuple[str, str]] = set()
    for name, node in nodes("protocol", "usecases", "web", "keys"):
        if isinstance(node, ast.Compare) and all(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
            sides = [node.left, *node.comparators]
            if any(SECRETS.search(ast.unparse(side)) for side in sides) and not any(isinstance(side, ast.Constant) for side in sides):
                compared.add((name, ast.unparse(node)))

    assert compared == set(PLAIN)


@meets("X-38")
def test_where_credentials_are_judged_the_comparison_is_in_constant_time() -> None:
    places = [name for name, node in nodes() if called(node) == "compare_digest"]

    assert set(places) == {
        "keys/passkeys.py",
        "keys/slow_secrets.py",
        "protocol/persons/authorization.py",
        "protocol/handles/credentials.py",
        "protocol/handles/imported.py",
        "protocol/persons/grants.py",
        "usecases/authenticate.py",
        "usecases/exchange/code.py",
        "usecases/exchange/refresh.py",
        "usecases/manage.py",
        "usecases/people/browsers.py",
        "usecases/recover.py",
        "usecases/tokens.py",
    }
