"""The account page and what stands around it over HTTP (DESIGN "People")."""

from urllib.parse import parse_qs

from calling_card.ports import Ports
from calling_card.protocol import base64url
from calling_card.protocol.abroad.addresses import host_of
from calling_card.protocol.answers import card_of
from calling_card.protocol.clients import Tier
from calling_card.protocol.errors import No, Refusal
from calling_card.protocol.persons.portrait import portrait
from calling_card.protocol.trust.statements import kept
from calling_card.usecases.people import account, leave, sign_in
from calling_card.usecases.people.browsers import Visit
from calling_card.web.browsers import check_origin, session_cookie, visit
from calling_card.web.http import Answer, Request, form
from calling_card.web.pages.views import Account, Allowed, Form, Leaving, PasskeyLine, SessionLine, SignedOut
from calling_card.web.refused import with_wait
from calling_card.web.show import page, see_other, sign_in_form

_DONE = ("withdrawn", "session_ended", "sessions_ended", "password_changed", "passkey_added", "passkey_removed")
_PROBLEMS = {No.TOO_MANY_REQUESTS: "throttled", No.UNAVAILABLE: "busy"}


async def show(ports: Ports, request: Request) -> Answer:
    """GET: my account, or the way to it."""
    done = parse_qs(request.query.decode("latin-1")).get("done", [""])[0]
    return await _page(ports, visit(ports, request), done=done if done in _DONE else "")


async def act(ports: Ports, request: Request) -> Answer:
    """POST: one of the small forms."""
    check_origin(ports, request)
    who, sent = visit(ports, request), form(request).values
    asked = account.Act(
        transaction=sent.get("transaction", ""),
        do=sent.get("do", ""),
        key=base64url.decode(sent.get("client", "") or sent.get("session", "") or sent.get("passkey_id", "")) or b"",
        current=sent.get("current", ""),
        new=sent.get("new", ""),
        again=sent.get("again", ""),
        passkey=sent.get("passkey", ""),
        label=sent.get("label", ""),
    )
    try:
        done = await account.act(ports, who, asked)
    except Refusal as refusal:
        problem = refusal.description if refusal.no is No.SIGN_IN_FAILED else _PROBLEMS.get(refusal.no)
        if problem is None:
            raise
        return with_wait(await _page(ports, who, problem=problem, status=refusal.no.status), refusal)
    if done.what == "signed_out":
        gone = session_cookie(ports, "", 0)
        return page(ports, who, SignedOut(ports.settings.base_path + "/account"), more=(gone,))
    cookie = (session_cookie(ports, done.cookie, ports.settings.session_lifetime),) if done.cookie else ()
    return see_other(f"{ports.settings.endpoint('/account')}?done={done.what}", *cookie)


async def _page(ports: Ports, who: Visit, *, done: str = "", problem: str = "", status: int = 200) -> Answer:
    found = await account.show(ports, who)
    if found is None:
        return page(ports, who, sign_in_form(ports, sign_in.offer(ports, who)))
    return page(ports, who, _view(ports, who, found, done, problem), status=status)


def _view(ports: Ports, who: Visit, found: account.Account, done: str, problem: str) -> Account:
    allowed = [
        Allowed(
            client=portrait(
                client,
                card_of(client),
                grants[0].redirect_uri,
                who.languages,
                found.versions.get(client.key),
                kept(ports.issuers, client) if client.tier is Tier.VOUCHED else None,
            ),
            key=base64url.encode(client.key),
            scopes=tuple(dict.fromkeys(word for grant in grants for word in grant.scope.split())),
            since=min(grant.created_at for grant in grants),
            last_used=max(grant.last_used_at for grant in grants),
        )
        for client, grants in found.allowed
    ]
    return Account(
        form=Form(ports.settings.base_path + "/account", found.transaction),
        person=found.person.shown,
        name=found.person.name,
        allowed=tuple(allowed),
        sessions=tuple(
            SessionLine(base64url.encode(one.id), one.browser, one.created_at, one.id == found.session.id) for one in found.sessions
        ),
        passkeys=tuple(PasskeyLine(base64url.encode(one.id), one.label, one.created_at, one.last_used_at) for one in found.passkeys),
        passkey_options=found.passkey_options,
        has_password=bool(found.person.password),
        done=done,
        problem=problem,
    )


async def leaving(ports: Ports, request: Request) -> Answer:
    """GET: a client's link leads to a stranger's page."""
    url = leave.opened(ports, parse_qs(request.query.decode("latin-1")).get("to", [""])[0])
    return page(ports, visit(ports, request), Leaving(url, host_of(url)))


async def asset(ports: Ports, request: Request) -> Answer:
    """GET: style and scripts of the pages."""
    del ports
    from calling_card.web.pages.assets import find

    found = find(request.path.rpartition("/")[2])
    if found is None:
        raise Refusal(No.NOT_FOUND, "there is nothing at this path")
    if request.headers.get(b"if-none-match", [b""])[0] == found.etag.encode():
        return Answer(304, b"", found.headers)
    return Answer(200, found.content, found.headers)
