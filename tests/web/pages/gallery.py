"""Views to look at: one of each kind, all that can be combined, and the same with a text of your choice in every field."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar, cast

from hypothesis import strategies as st

from calling_card.protocol.errors import No
from calling_card.protocol.persons.portrait import Doubt, Portrait
from calling_card.web.pages.views import (
    Account,
    Allowed,
    Consent,
    Form,
    Leaving,
    Onward,
    PasskeyLine,
    Posted,
    Problem,
    SessionLine,
    SignedOut,
    SignIn,
    View,
)

AT = 1795219200
"""2026-11-21."""
FORM = Form("/here/form", "transaction-1")
OPTIONS = json.dumps({"challenge": "AAAA", "quotes": "\"'<>&"})
LINKS = (
    ("client_uri", "https://notes.example/about"),
    ("policy_uri", "https://notes.example/privacy"),
    ("tos_uri", "https://law.example/terms"),
    ("logo_uri", "https://notes.example/logo"),
)
DOORS = tuple((member, f"/here/leave?to={member}") for member, _ in LINKS)
NOTES = Portrait("client-1", "Paper Notes", True, AT, "", "notes.example", "web", LINKS)
HELPER = replace(NOTES, name="Terminal helper", redirect_host="127.0.0.1", redirect_kind="loopback", links=())
EDITOR = replace(NOTES, name="An editor", redirect_host="cursor", redirect_kind="private", vouched="invitation")
KNOWN = replace(NOTES, name="Set up", vouched="operator")
VOUCHED = replace(NOTES, name="Official Notes", vouched="statement", voucher="The Directory", name_vouched=True)
NAMELESS = replace(NOTES, name=NOTES.client_id, named=False)
NOWHERE = replace(NOTES, redirect_host="", redirect_kind="private", links=())
PUBLISHED = replace(NOTES, client_id="https://notes.example/client.json", host="notes.example")
APART = replace(PUBLISHED, redirect_host="callback.example", changed_at=AT + 86400)
LOCAL = replace(PUBLISHED, name="Terminal helper", redirect_host="127.0.0.1", redirect_kind="loopback", links=())
SCHEMED = replace(PUBLISHED, name="An editor", redirect_host="com.example.notes", redirect_kind="private")
UNFINISHED = replace(PUBLISHED, host="auth.example", in_development=True)
POSER = replace(PUBLISHED, host="c1aude.ai", redirect_host="c1aude.ai", doubts=(Doubt("host", "c1aude.ai", "claude.ai"),))
NAMESAKE = replace(PUBLISHED, name="Claude", doubts=(Doubt("name", "notes.example", "claude.ai"),))
OWN_LETTERS = replace(PUBLISHED, host="xn--r8jz45g.example", redirect_host="xn--r8jz45g.example")
MIXED_LETTERS = replace(
    PUBLISHED, host="xn--abc-s08fl0dtz6h.example", redirect_kind="loopback", doubts=(Doubt("letters", "xn--abc-s08fl0dtz6h.example"),)
)
SCOPES = ("openid", "profile", "email", "phone", "address", "offline_access", "files:read")

SIGN_IN = SignIn(FORM, NOTES, "", "", OPTIONS, links=DOORS)
CONSENT = Consent(FORM, NOTES, "Ann Example", SCOPES, ("api.example", "files.example"), DOORS, True, "/here/switch")
ACCOUNT = Account(
    FORM,
    "Ann Example",
    "ann",
    (
        Allowed(NOTES, "key-1", SCOPES, AT, AT),
        Allowed(HELPER, "key-2", (), AT, 0),
        Allowed(EDITOR, "key-3", (), AT, 0),
        Allowed(KNOWN, "key-4", (), AT, 0),
        Allowed(NAMELESS, "key-5", (), AT, 0),
        Allowed(NOWHERE, "key-6", (), AT, 0),
        Allowed(APART, "key-7", (), AT, 0),
        Allowed(UNFINISHED, "key-8", (), AT, 0),
    ),
    (SessionLine("session-1", "Firefox", AT, True), SessionLine("session-2", "", AT, False)),
    (PasskeyLine("passkey-1", "Phone", AT, 0), PasskeyLine("passkey-2", "", AT, AT)),
    OPTIONS,
    True,
)
PROBLEM = Problem("invalid_request", "scope: is malformed", "4f1d2c9a", NOTES, "https://notes.example/cb?error=invalid_request")
POSTED = Posted("https://notes.example/cb", (("code", "code-1"), ("state", "state-1")), NOTES)

PROBLEMS = (
    "sign_in_failed",
    "throttled",
    "busy",
    "passkey_failed",
    "page_expired",
    "password_too_short",
    "password_too_long",
    "password_wrong",
    "password_same",
    "last_way",
)
DONE = ("withdrawn", "session_ended", "sessions_ended", "password_changed", "passkey_added", "passkey_removed")
CODES = tuple(dict.fromkeys(no.code for no in No))

VIEWS: Mapping[str, View] = {
    "sign-in": SIGN_IN,
    "sign-in without doors": replace(SIGN_IN, links=()),
    "sign-in for the account": SignIn(FORM, None, "", "", ""),
    "sign-in as somebody else": replace(SIGN_IN, client=HELPER, switch=True),
    **{f"sign-in: {problem}": replace(SIGN_IN, name="ann", problem=problem) for problem in (*PROBLEMS, "unheard_of")},
    "consent": CONSENT,
    "consent again": replace(CONSENT, again=True, rememberable=False),
    "consent changed": replace(CONSENT, changed=True),
    "consent of one that waits": replace(CONSENT, waits=True),
    "consent on this device": replace(CONSENT, client=HELPER, links=()),
    "consent by a scheme": replace(CONSENT, client=EDITOR),
    "consent of a vouched one": replace(CONSENT, client=VOUCHED),
    "consent of the operator's": replace(CONSENT, client=KNOWN, scopes=("openid",)),
    "consent without a name": replace(CONSENT, client=NAMELESS, scopes=(), resources=()),
    "consent without a place": replace(CONSENT, client=NOWHERE, scopes=("files:read",), switch=""),
    "sign-in with a picture": replace(SIGN_IN, logo="/here/logos/1"),
    "sign-in for a look-alike": replace(SIGN_IN, client=POSER),
    "consent with a picture": replace(CONSENT, client=PUBLISHED, logo="/here/logos/1"),
    "consent without a name, with a picture": replace(CONSENT, client=NAMELESS, logo="/here/logos/1"),
    "consent for an address": replace(CONSENT, client=PUBLISHED),
    "consent for two hosts": replace(CONSENT, client=APART, changed=True),
    "consent for an address on this device": replace(CONSENT, client=LOCAL),
    "consent for an address by a scheme": replace(CONSENT, client=SCHEMED),
    "consent in development": replace(CONSENT, client=UNFINISHED),
    "consent for a look-alike": replace(CONSENT, client=POSER),
    "consent for a namesake": replace(CONSENT, client=NAMESAKE),
    "consent for a host in its own letters": replace(CONSENT, client=OWN_LETTERS),
    "consent for a host in mixed letters": replace(CONSENT, client=MIXED_LETTERS),
    "account": ACCOUNT,
    "account, empty": replace(ACCOUNT, allowed=(), sessions=(), passkeys=(), passkey_options="", has_password=False, name=ACCOUNT.person),
    "account, no passkey yet": replace(ACCOUNT, passkeys=(), has_password=False),
    **{f"account: {problem}": replace(ACCOUNT, problem=problem) for problem in (*PROBLEMS, "unheard_of")},
    **{f"account: {done}": replace(ACCOUNT, done=done) for done in (*DONE, "unheard_of")},
    **{f"problem: {code}": replace(PROBLEM, code=code) for code in (*CODES, "unheard_of")},
    "problem: waits": replace(PROBLEM, code="access_denied", text="waits"),
    "problem, bare": Problem("invalid_request", "", ""),
    "problem with a way back to nobody": replace(PROBLEM, client=None),
    "signed out": SignedOut("/here/account"),
    "signed out, nowhere": SignedOut(""),
    "leaving": Leaving("https://notes.example/about", "notes.example"),
    "leaving for nowhere": Leaving("javascript:alert(1)", "notes.example"),
    "onward": Onward("cursor://anysphere.cursor-mcp/oauth/callback?code=1", "cursor", EDITOR),
    "onward to nowhere": Onward("javascript:alert(1)", "javascript", EDITOR),
    "posted": POSTED,
    "posted nowhere": replace(POSTED, action="javascript:alert(1)"),
}

Thing = TypeVar("Thing")
_DECISIVE = frozenset({"redirect_kind", "vouched", "problem", "done", "has_password", "kind"})
"""Fields that choose what is on a page; their values are never a stranger's."""


def filled(thing: Thing, text: str, *, spare: frozenset[str] = frozenset()) -> Thing:
    """The same view with this text in every field that holds one, however deep, but not in those to be spared."""
    if isinstance(thing, str):
        return cast(Thing, text if thing else thing)
    if isinstance(thing, tuple):
        parts = cast(tuple[object, ...], thing)
        return cast(Thing, tuple(filled(part, text, spare=spare) for part in parts))
    if is_dataclass(thing) and not isinstance(thing, type):
        names = [field.name for field in fields(thing) if field.name not in _DECISIVE | spare]
        changes = {name: filled(cast(object, getattr(thing, name)), text, spare=spare) for name in names}
        return cast(Thing, replace(thing, **changes))
    return thing


_texts = st.text(max_size=40)
_times = st.integers(0, 253402300799)
_pairs = st.lists(st.tuples(_texts, _texts), max_size=3).map(tuple)
_scopes = st.lists(st.sampled_from(SCOPES) | _texts, max_size=5).map(tuple)
_portraits = st.builds(
    Portrait,
    client_id=_texts,
    name=_texts,
    named=st.booleans(),
    introduced_at=_times,
    vouched=st.sampled_from(["", "operator", "statement", "invitation"]),
    redirect_host=_texts,
    redirect_kind=st.sampled_from(["web", "loopback", "private"]),
    links=st.lists(st.tuples(st.sampled_from(["client_uri", "policy_uri", "x"]), _texts), max_size=3).map(tuple),
    host=_texts | st.sampled_from(["xn--r8jz45g.example", "xn--\ud800", "xn--"]),
    changed_at=_times,
    in_development=st.booleans(),
    logo=_texts,
    voucher=_texts,
    name_vouched=st.booleans(),
    doubts=st.lists(st.builds(Doubt, st.sampled_from(["host", "name", "letters"]), _texts, _texts), max_size=3).map(tuple),
)
_forms = st.builds(Form, _texts, _texts)
_problems = st.sampled_from(["", *PROBLEMS]) | _texts
_accounts = st.builds(
    Account,
    form=_forms,
    person=_texts,
    name=_texts,
    allowed=st.lists(st.builds(Allowed, _portraits, _texts, _scopes, _times, _times), max_size=3).map(tuple),
    sessions=st.lists(st.builds(SessionLine, _texts, _texts, _times, st.booleans()), max_size=3).map(tuple),
    passkeys=st.lists(st.builds(PasskeyLine, _texts, _texts, _times, _times), max_size=3).map(tuple),
    passkey_options=_texts,
    has_password=st.booleans(),
    done=st.sampled_from(["", *DONE]) | _texts,
    problem=_problems,
)
ANY_VIEW: st.SearchStrategy[View] = st.one_of(
    st.builds(SignIn, _forms, st.none() | _portraits, _texts, _problems, _texts, st.booleans(), _pairs, _texts),
    st.builds(
        Consent,
        *(_forms, _portraits, _texts, _scopes, st.lists(_texts, max_size=3).map(tuple), _pairs, st.booleans(), _texts),
        again=st.booleans(),
        changed=st.booleans(),
        logo=_texts,
        waits=st.booleans(),
    ),
    _accounts,
    st.builds(Problem, st.sampled_from(CODES) | _texts, _texts, _texts, st.none() | _portraits, _texts, st.just("waits") | _texts),
    st.builds(SignedOut, _texts),
    st.builds(Leaving, _texts, _texts),
    st.builds(Onward, _texts, _texts, _portraits),
    st.builds(Posted, _texts, _pairs, _portraits),
)
"""Whatever a page could be told."""
