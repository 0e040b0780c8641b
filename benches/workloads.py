"""The workloads: one row each, with what a server is asked and what it must answer."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benches.bodies import MCP_BODY, OIDC_BODY, pair
from benches.plan import Capture, Flow, Plan, Step, Table, query, said
from benches.visit import FORM, JSON, Visit, basic


@dataclass(frozen=True)
class Workload:
    """One kind of work."""

    name: str
    kind: str
    """``write``, ``read`` or ``document``: which limit its 99th percentile has."""
    plan: Callable[[Visit], Plan]
    keeps: Sequence[str] = ()
    """Tables that later workloads need."""


OTHERS = {**MCP_BODY, "client_name": "Client number «#»"}
"""No body like any other: what came in once does not make the next one easier (docs/decisions/0019)."""
_PAIRS = 30_000
_MINE = Capture("path", "p", "registration_client_uri")
_TOKEN = said("registration_access_token", "rat")
_ID, _SECRET = said("client_id"), said("client_secret")
_BEARER = ("Authorization", "Bearer «rat»")


def once(visit: Visit, step: Step) -> Plan:
    """The same request again and again."""
    del visit
    return Plan([Flow([step])])


def registering(visit: Visit, body: Mapping[str, object], *captures: Capture) -> Step:
    """A registration."""
    return Step("POST", visit.register, 201, [JSON], json.dumps(body, ensure_ascii=False), captures)


def _register(body: Mapping[str, object], *, managed: bool) -> Callable[[Visit], Plan]:
    """Where clients are managed they are kept for the workloads behind this one."""

    def plan(visit: Visit) -> Plan:
        if not managed or visit.unmanaged:
            return once(visit, registering(visit, body))
        visit.tables["cards"] = Table(("client_id", "path", "rat"))
        return Plan([Flow([registering(visit, body, _ID, _MINE, _TOKEN)], into="cards")], visit.tables)

    return plan


def _read(visit: Visit) -> Plan:
    return Plan([Flow([Step("GET", "«path»", 200, [_BEARER])], "cards")], visit.tables)


def replacing(visit: Visit) -> Step:
    """Another name."""
    body = json.dumps({**MCP_BODY, "client_id": "«client_id»", "client_name": "another name"}, ensure_ascii=False)
    return Step("PUT", "«path»", 200, [_BEARER, JSON], body, [_TOKEN] if visit.rotates else [])


def _replace(visit: Visit) -> Plan:
    return Plan([Flow([replacing(visit)], "cards")], visit.tables)


def _delete(visit: Visit) -> Plan:
    return Plan([Flow([Step("DELETE", "«path»", 204, [_BEARER])], "cards", once=True)], visit.tables)


def _by_itself(visit: Visit) -> Plan:
    return once(visit, Step("POST", visit.tokens, 200, [FORM, ("Authorization", basic(visit.machine))], visit.opaque))


def _by_itself_signed(visit: Visit) -> Plan:
    return once(visit, Step("POST", visit.tokens, 200, [FORM, ("Authorization", basic(visit.machine))], visit.signed))


def _introspect(visit: Visit) -> Plan:
    token = visit.machine_token()
    return once(visit, Step("POST", visit.introspect, 200, [FORM, ("Authorization", basic(visit.asks))], f"token={token}"))


def _metadata(visit: Visit) -> Plan:
    return once(visit, Step("GET", visit.metadata, 200))


def _keys(visit: Visit) -> Plan:
    return once(visit, Step("GET", visit.keys, 200))


def flow_steps(visit: Visit, scope: str, *captures: Capture) -> list[Step]:
    """A person is sent here and back, and the code is redeemed; the row of a walk is a pair."""
    return [
        Step("GET", visit.asking(scope, "«challenge»"), visit.sends, visit.cookie, captures=[query("code")]),
        Step("POST", visit.tokens, 200, [FORM], visit.redemption("«verifier»"), captures),
    ]


def pairs() -> Table:
    """Verifiers and challenges, more than a run can use: who takes one twice is reported, and no real client does (RFC 7636 §7.1)."""
    return Table(("verifier", "challenge"), [pair(number) for number in range(_PAIRS)])


def _flow(visit: Visit) -> Plan:
    visit.tables["refresh"], visit.tables["pairs"] = Table(("refresh",)), pairs()
    steps = flow_steps(visit, visit.flow_scope, said("refresh_token", "refresh"))
    return Plan([Flow(steps, "pairs", into="refresh")], visit.tables)


def _signed_flow(visit: Visit) -> Plan:
    steps = flow_steps(visit, "openid profile", said("id_token"))
    return Plan([Flow(steps, "pairs")], {"pairs": pairs()})


def refreshing(visit: Visit) -> Step:
    """The newest refresh token for the next one."""
    body = visit.granted({"grant_type": "refresh_token", "refresh_token": "«refresh»"})
    return Step("POST", visit.tokens, 200, [FORM], body, [said("refresh_token", "refresh")])


def _refresh(visit: Visit) -> Plan:
    return Plan([Flow([refreshing(visit)], "refresh")], visit.tables)


def _register_sealed(body: Mapping[str, object], into: str = "") -> Callable[[Visit], Plan]:
    """``into``: the table for what later workloads need; empty: they need nothing."""

    def plan(visit: Visit) -> Plan:
        if not into:
            return once(visit, registering(visit, body))
        visit.tables[into] = Table(("client_id", "client_secret", "path", "rat"))
        return Plan([Flow([registering(visit, body, _ID, _SECRET, _MINE, _TOKEN)], into=into)], visit.tables)

    return plan


def _read_sealed(table: str) -> Callable[[Visit], Plan]:
    return lambda visit: Plan([Flow([Step("GET", "«path»", 200, [_BEARER])], table)], visit.tables)


def _proven(visit: Visit) -> Table:
    """The sealed clients as their ``Authorization`` headers."""
    columns = visit.tables["sealed"].columns
    clients = [dict(zip(columns, row, strict=True)) for row in visit.tables["sealed"].rows]
    return Table(("proof",), [[basic(client)] for client in clients])


def _by_itself_sealed(visit: Visit) -> Plan:
    """Strangers get no client_credentials: all the work of finding and authenticating one, and a refusal."""
    step = Step("POST", visit.tokens, 400, [FORM, ("Authorization", "«proof»")], "grant_type=client_credentials")
    return Plan([Flow([step], "proofs")], {"proofs": _proven(visit)})


def _introspect_sealed(visit: Visit) -> Plan:
    """A sealed client has no tokens yet: it is authenticated, and told of a living token of somebody else that it is not alive."""
    step = Step("POST", visit.introspect, 200, [FORM, ("Authorization", "«proof»")], f"token={visit.machine_token()}")
    return Plan([Flow([step], "proofs")], {"proofs": _proven(visit)})


WORKLOADS = (
    Workload("register (MCP body)", "write", _register(MCP_BODY, managed=True), ("cards",)),
    Workload("register (OIDC body)", "write", _register(OIDC_BODY, managed=False)),
    Workload("register, each another", "write", _register(OTHERS, managed=False)),
    Workload("read", "read", _read),
    Workload("update", "write", _replace, ("cards",)),
    Workload("delete", "write", _delete),
    Workload("client_credentials, opaque", "read", _by_itself),
    Workload("client_credentials, ES256", "read", _by_itself_signed),
    Workload("introspect", "read", _introspect),
    Workload("metadata", "document", _metadata),
    Workload("JWKS", "document", _keys),
    Workload("code flow", "write", _flow, ("refresh",)),
    Workload("code flow, ID token RS256", "write", _signed_flow),
    Workload("refresh", "write", _refresh),
)
SEALED = (
    Workload("register, sealed (MCP body)", "read", _register_sealed(MCP_BODY, "sealed"), ("sealed",)),
    Workload("register, sealed (OIDC body)", "read", _register_sealed(OIDC_BODY)),
    Workload("register, sealed, each another", "read", _register_sealed(OTHERS, "others"), ("others",)),
    Workload("read, sealed", "read", _read_sealed("sealed")),
    Workload("read, sealed, each another", "read", _read_sealed("others")),
    Workload("client_credentials, sealed", "read", _by_itself_sealed),
    Workload("introspect, sealed", "read", _introspect_sealed),
)
"""With ``open_registration=sealed``, where a stranger's client_id is its card."""
BY_NAME = {workload.name: workload for workload in (*WORKLOADS, *SEALED)}
