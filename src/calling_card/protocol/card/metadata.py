"""From what a client said to the card in force: narrowed, completed, checked, each change told (RFC 7591 §2, §3.2.1)."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

import msgspec

from calling_card.protocol.abroad.addresses import (
    Caller,
    callback_problem,
    callback_warnings,
    host_of,
    origin_problem,
    own_host,
    stays_on_device,
    web_problem,
)
from calling_card.protocol.card.ground import Ground, Limits
from calling_card.protocol.card.keysets import keyset_problem
from calling_card.protocol.card.languages import is_tag
from calling_card.protocol.card.rules import METHOD, REDIRECT_GRANTS, agree, grants_for, is_symmetric, types_for
from calling_card.protocol.card.vocabulary import MEMBERS, By, Effect, Kind, Member
from calling_card.protocol.card.wording import has_control, hidden_problem, suspicions
from calling_card.protocol.clients import JSON, Card, texts_of
from calling_card.protocol.errors import Refusal
from calling_card.protocol.syntax import echo

__all__ = ["Change", "Ground", "Judged", "Limits", "judge", "needs_secret"]


@dataclass(frozen=True, slots=True)
class Change:
    """One value that is not in force as it was said."""

    member: str
    was: JSON
    now: JSON
    """None: dropped."""
    why: str


class Judged(msgspec.Struct, frozen=True):
    """The card in force, what became of what was said, and what a reader of the event should look at."""

    card: Card
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]


class _Stage(IntEnum):
    """The order in which problems are told."""

    VALUES = 0
    REDIRECTS = 1
    AGREEMENT = 2


@dataclass(slots=True)
class _Hearing:
    """A judgement under way."""

    ground: Ground
    scopes: Collection[str]
    default_scope: str
    card: Card
    changes: list[Change]
    warnings: list[str]
    links: list[tuple[Member, str, str]]
    """Links that people see, with the member that said them."""
    variants: set[str]
    """Tagged names in lower case."""
    problems: list[tuple[_Stage, Refusal]]

    def refuse(self, row: Member, problem: str, *, name: str = "", got: str | None = None, stage: _Stage = _Stage.VALUES) -> None:
        """Note a problem: which member, what is wrong, which section, and a bit of what was said."""
        name = name or row.name
        told = f"{echo(name)}: {problem}"
        if "section" not in problem:
            told += f" ({row.section.replace('§', 'section ')})"
        if got is not None and "#" not in name:
            told += f", got '{echo(got)}'"
        self.problems.append((stage, Refusal(row.no, told)))

    def change(self, member: str, was: JSON, now: JSON, why: str) -> None:
        """Note that something is not in force as it was said."""
        self.changes.append(Change(member, was, now, why))


def judge(said: Mapping[str, JSON], ground: Ground, *, scopes: Collection[str], default_scope: str) -> Judged:
    """The card in force, complete with defaults; a card that was judged once stays as it is (RFC 7591 §3.2.1).

    Raises `Refusal` with the first problem in the order values, redirect URIs, agreement; its ``errors`` are all of them.
    """
    hearing = _Hearing(ground, scopes, default_scope, {}, [], [], [], set(), [])
    for name, value in said.items():
        if value is None:
            continue
        row = _HEARD.get(name)
        if row is not None:
            _hear(hearing, row, name, value)
        elif name not in _SILENT:
            _hear_unknown(hearing, name, value)
    _settle_lists(hearing)
    _settle_method(hearing)
    _settle_type(hearing)
    _check_callbacks(hearing)
    _drop_idle(hearing)
    _fill(hearing)
    _check_agreements(hearing)
    _check_hosts(hearing)
    if hearing.problems:
        refusals = tuple(refusal for _, refusal in sorted(hearing.problems, key=lambda problem: problem[0]))
        raise Refusal(refusals[0].no, refusals[0].description, errors=refusals)
    return Judged(hearing.card, tuple(hearing.changes), tuple(hearing.warnings))


def needs_secret(card: Card) -> bool:
    """Whether a method or an algorithm of a card in force works with a shared secret (OIDC Registration §3.2)."""
    for name in _SECRETIVE & card.keys():
        value = card[name]
        if isinstance(value, str) and (value.startswith("client_secret_") if name in _METHODS else is_symmetric(value)):
            return True
    return False


# ── What was said, member by member ──────────────────────────────────────────────────────────────────────────────────


def _hear(hearing: _Hearing, row: Member, name: str, value: JSON) -> None:
    if row.inert and not hearing.ground.store_inert:
        hearing.change(name, value, None, "has no effect here and is not kept")
        return
    narrowed = _HOW[row.name](hearing, row, name, value)
    if narrowed is not None:
        hearing.card[name] = narrowed


def _hear_unknown(hearing: _Hearing, name: str, value: JSON) -> None:
    """A variant in some language, an extension member, or something nobody knows (RFC 7591 §2, §2.2)."""
    base, mark, tag = name.partition("#")
    row = MEMBERS.get(base)
    if row is None and _is_extension(base, hearing.ground):
        row = _EXTENSION
    if row is None or not row.i18n:
        if hearing.ground.unknown_refused:
            hearing.refuse(_EXTENSION, "is not a member this server knows", name=name)
    elif not mark or _hear_tag(hearing, row, name, tag):
        _hear(hearing, row, name, value)


def _hear_tag(hearing: _Hearing, row: Member, name: str, tag: str) -> bool:
    """Whether a language tag is good, new and one of not too many."""
    if not is_tag(tag):
        if hearing.ground.bad_tag_ignored:
            hearing.change(echo(name), "", None, "is not well-formed behind the #")
        else:
            hearing.refuse(row, "needs a well-formed language tag behind the # (RFC 5646 section 2.1)", name=name)
        return False
    folded = name.partition("#")[0] + "#" + tag.lower()
    if folded in hearing.variants:
        hearing.refuse(row, "says one language twice in two spellings (RFC 7591 section 2.2)", name=name)
        return False
    hearing.variants.add(folded)
    if len(hearing.variants) > hearing.ground.limits.variants:
        hearing.refuse(row, f"is one too many: at most {hearing.ground.limits.variants} members may have a language tag", name=name)
        return False
    return True


def _is_extension(base: str, ground: Ground) -> bool:
    return base in ground.extensions or ("*" in ground.extensions and _PLAIN_NAME.fullmatch(base) is not None)


# ── Kinds: from any JSON value to the one a row asks for ─────────────────────────────────────────────────────────────


def _string(hearing: _Hearing, row: Member, name: str, value: JSON) -> str | None:
    """A string with something in it; an empty one counts as not sent, or is refused (strict)."""
    if not isinstance(value, str):
        hearing.refuse(row, "must be a string", name=name)
        return None
    if value:
        return value
    if hearing.ground.strict:
        hearing.refuse(row, "must not be empty; leave it out", name=name)
    return None


def _strings(hearing: _Hearing, row: Member, name: str, value: JSON) -> list[str] | None:
    """An array of strings with something in them, none of them twice; None after a refusal."""
    if not isinstance(value, list):
        hearing.refuse(row, "must be an array of strings", name=name)
        return None
    if not (all(value) and _TEXTS.issuperset(map(type, value))):
        hearing.refuse(row, "must be an array of strings that are not empty", name=name)
        return None
    items = cast("list[str]", value)
    once = items if len(items) < 2 else list(dict.fromkeys(items))
    limit = row.limit(hearing.ground.limits) if row.limit else hearing.ground.limits.items
    if len(once) > limit:
        hearing.refuse(row, f"has more than {limit} elements", name=name)
        return None
    if len(once) != len(items):
        hearing.change(name, list(items), list(once), "said some values twice")
    return once


def _text_problem(hearing: _Hearing, row: Member, text: str, limit: int) -> str:
    """What is wrong with one text; what is merely suspicious goes to the warnings."""
    if len(text) > limit:
        return f"is longer than {limit} characters"
    if not (text.isascii() and text.isprintable()) and has_control(text):
        return "has a control character; leave it out"
    problem = hidden_problem(text) if row.shown else ""
    return problem or _rule_problem(hearing, row, text)


def _rule_problem(hearing: _Hearing, row: Member, text: str) -> str:
    for rule in row.rules:
        problem = rule(text, hearing.ground)
        if problem:
            return problem
    return ""


def _text(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    text = _string(hearing, row, name, value)
    if text is None:
        return None
    problem = _text_problem(hearing, row, text, row.limit(hearing.ground.limits) if row.limit else hearing.ground.limits.opaque)
    if problem:
        hearing.refuse(row, problem, name=name, got=text)
    elif row.shown:
        hearing.warnings += [f"{name}: {found}" for found in suspicions(text, own_host(hearing.ground.issuer))]
    return text


def _texts(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    items = _strings(hearing, row, name, value)
    for item in items or ():
        problem = _text_problem(hearing, row, item, hearing.ground.limits.opaque)
        if problem:
            hearing.refuse(row, problem, name=name, got=item)
    return list(items) if items else None


def _url(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    url = _string(hearing, row, name, value)
    if url is None:
        return None
    problem = web_problem(url, hearing.ground.limits.url, row.schemes, fragment=row.fragment) or _rule_problem(hearing, row, url)
    if problem:
        hearing.refuse(row, problem, name=name, got=url)
    elif row.effect is Effect.REFUSED and name not in hearing.ground.effects:
        hearing.refuse(row, "this server does not serve it (yet); leave it out", name=name)
    elif row.shown:
        hearing.links.append((row, name, url))
    return url


def _urls(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    items = _strings(hearing, row, name, value)
    for index, item in enumerate(items or ()):
        problem = web_problem(item, hearing.ground.limits.url, row.schemes, fragment=row.fragment)
        if problem:
            hearing.refuse(row, problem, name=f"{name}[{index}]", got=item)
    return None if items is None else list(items)


def _origins(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    items = _strings(hearing, row, name, value)
    for index, item in enumerate(items or ()):
        problem = origin_problem(item, hearing.ground.limits.url)
        if problem:
            hearing.refuse(row, problem, name=f"{name}[{index}]", got=item)
    return list(items) if items else None


def _callbacks(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    """The list alone: what may be in it depends on the type of the client and comes later."""
    items = _strings(hearing, row, name, value)
    return None if items is None else list(items)


def _choice(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    word = _string(hearing, row, name, value)
    if word is not None and row.idle is None:
        _check_word(hearing, row, word)
    return word


def _check_word(hearing: _Hearing, row: Member, word: str) -> None:
    """Taken as it stands, or refused: one word cannot be narrowed."""
    problem = _rule_problem(hearing, row, word)
    served = _served(row, hearing.ground)
    if not problem and word not in served and (served or row.served):
        problem = _not_served(row, served)
    if problem:
        hearing.refuse(row, problem, got=word)


def _served(row: Member, ground: Ground) -> Collection[str]:
    return row.served(ground) if row.served else row.known


def _not_served(row: Member, served: Collection[str]) -> str:
    """Names what would be taken instead; nothing is weakened on the way (RFC 7591 §3.2.2)."""
    if row.served is None:
        return f"must be one of {', '.join(served)}"
    if not served:
        return "this server serves nothing of the kind (yet); leave it out"
    return f"this server does not serve it (yet); it serves {', '.join(served)}"


def _choices(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    """What is served of a list; the rest is dropped and told, or refused (strict); nothing left is always refused."""
    items = _strings(hearing, row, name, value)
    if not items:
        return None
    served = _served(row, hearing.ground)
    if all(map(served.__contains__, items)):
        return list(items)
    fold = row.fold or str
    spelled = {fold(word): word for word in served}
    kept: list[JSON] = list(dict.fromkeys(spelled[key] for item in items if (key := fold(item)) in spelled))
    others = [item for item in items if fold(item) not in spelled]
    if others and (hearing.ground.strict or not kept):
        hearing.refuse(row, _not_served(row, served), name=name, got=" ".join(others))
    else:
        hearing.change(name, list(items), kept, "is limited to what this server serves")
    return kept or None


def _scope(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    """The words this server knows, in any spacing; with none of them left, the default (RFC 7591 §2)."""
    text = _string(hearing, row, name, value)
    said = dict.fromkeys(filter(None, (text or "").split(" ")))
    if not said:
        return None
    default = hearing.default_scope.split()
    unknown = [word for word in said if word not in hearing.scopes and word not in default]
    kept = " ".join([word for word in said if word not in unknown])
    if unknown and (hearing.ground.unknown_scopes_refused or not (kept or default)):
        known = " ".join(sorted({*hearing.scopes, *default})[:20]) or "none"
        hearing.refuse(row, f"this server does not know some of the scopes; it knows {known}", got=" ".join(unknown))
    elif kept != text:
        hearing.change(name, text, kept or hearing.default_scope, "is limited to the scopes this server knows")
    return kept or None


def _number(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    hearing.refuse(row, "must be an integer from 0 to 2147483647", name=name)
    return None


def _flag(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    if not isinstance(value, bool):
        hearing.refuse(row, "must be true or false", name=name)
        return None
    if not value or row.effect is Effect.NONE or name in hearing.ground.effects:
        return value
    if row.effect is Effect.REFUSED or hearing.ground.strict:
        hearing.refuse(row, "this server does not serve it (yet); send false or leave it out", name=name)
        return value
    hearing.change(name, value, False, "is not served (yet)")
    return False


def _keys(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    if not isinstance(value, dict):
        hearing.refuse(row, "must be a JWK Set: an object", name=name)
        return None
    problem = keyset_problem(value, hearing.ground.limits.keys)
    if problem:
        hearing.refuse(row, problem, name=name)
    return value


def _object(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
        hearing.refuse(row, "must be an object of objects", name=name)
        return None
    return _anything(hearing, row, name, value)


def _anything(hearing: _Hearing, row: Member, name: str, value: JSON) -> JSON:
    """Any JSON value that is not too large (RFC 7591 §2 lets servers know more members)."""
    limit = hearing.ground.limits.extension
    if value == "":
        return _string(hearing, row, name, value)
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")) > limit:
        hearing.refuse(row, f"is longer than {limit} bytes", name=name)
    return value


_NARROW: dict[Kind, Callable[[_Hearing, Member, str, JSON], JSON]] = {
    Kind.TEXT: _text,
    Kind.URL: _url,
    Kind.URLS: _urls,
    Kind.CALLBACKS: _callbacks,
    Kind.ORIGINS: _origins,
    Kind.CHOICE: _choice,
    Kind.CHOICES: _choices,
    Kind.ALG: _choice,
    Kind.TEXTS: _texts,
    Kind.SCOPE: _scope,
    Kind.NUMBER: _number,
    Kind.FLAG: _flag,
    Kind.KEYS: _keys,
    Kind.OBJECT: _object,
    Kind.ANY: _anything,
}


# ── What the members mean together ───────────────────────────────────────────────────────────────────────────────────


def _settle_lists(hearing: _Hearing) -> None:
    """Grant types and response types fit together: one follows from the other, or both are narrowed (RFC 7591 §2.1)."""
    card, ground = hearing.card, hearing.ground
    grants, types = texts_of(card, "grant_types"), texts_of(card, "response_types")
    if not grants and types:
        grants = [grant for grant in grants_for(types, ground.default_grant_types) if grant in ground.grant_types]
    elif not grants:
        grants = list(ground.default_grant_types)
    types = types or types_for(grants, ground.response_types)
    kept, fitting = agree(grants, types)
    if _ALONE.issuperset(kept):
        problem = "refresh_token alone gives nothing to refresh" if grants == ["refresh_token"] else _conflict(grants, types)
        hearing.refuse(MEMBERS["grant_types"], problem, stage=_Stage.AGREEMENT)
    elif (kept, fitting) != (grants, types) and ground.strict:
        hearing.refuse(MEMBERS["grant_types"], _conflict(grants, types), stage=_Stage.AGREEMENT)
    for name, was, now in (("grant_types", grants, kept), ("response_types", types, fitting)):
        if was != now:
            hearing.change(name, list(was), list(now), "is limited to what grant_types and response_types have in common")
        card[name] = list(now)


def _conflict(grants: Collection[str], types: Collection[str]) -> str:
    said = f"grant_types {echo(' '.join(grants)) or 'none'} and response_types {echo(' '.join(types)) or 'none'}"
    return f"{said} do not fit together; authorization_code goes with code, implicit with token or id_token (RFC 7591 section 2.1)"


def _settle_method(hearing: _Hearing) -> None:
    """The default, or another method with a secret where that is not served: never a weaker one."""
    if METHOD in hearing.card:
        return
    row, served = MEMBERS[METHOD], hearing.ground.auth_methods
    method = next((method for method in ("client_secret_basic", "client_secret_post") if method in served), None)
    if method is None:
        hearing.refuse(row, f"must be said, because the default is not served; this server serves {', '.join(served)}")
    hearing.card[row.name] = method or "client_secret_basic"


def _settle_type(hearing: _Hearing) -> None:
    """Web, unless a public client's redirects all stay on the device (RFC 8252 §8.4)."""
    card = hearing.card
    card.setdefault("redirect_uris", [])
    redirects = texts_of(card, "redirect_uris")
    if "application_type" not in card:
        inferred = hearing.ground.infer_native and card[METHOD] == "none" and bool(redirects)
        card["application_type"] = "native" if inferred and all(map(stays_on_device, redirects)) else "web"
    if card["application_type"] == "native" and card[METHOD] != "none":
        hearing.warnings.append("token_endpoint_auth_method: a secret on a device is as secret as the device (RFC 8252 section 8.5)")


def _check_callbacks(hearing: _Hearing) -> None:
    card, ground = hearing.card, hearing.ground
    grants = texts_of(card, "grant_types")
    caller = Caller(card["application_type"] == "native", "implicit" in grants, ground.issuer, ground.callbacks, ground.limits.url)
    for row in _CALLBACK_ROWS:
        if row.name not in card:
            continue
        for index, uri in enumerate(texts_of(card, row.name)):
            problem = callback_problem(uri, caller if row is _REDIRECTS else caller._replace(implicit=False))
            if problem:
                hearing.refuse(row, problem, name=f"{row.name}[{index}]", got=uri, stage=_Stage.REDIRECTS)
            elif row is _REDIRECTS:
                hearing.warnings += [f"{row.name}[{index}]: {found}" for found in callback_warnings(uri, caller)]
    if not card["redirect_uris"] and not _BY_BROWSER.isdisjoint(grants):
        problem = f"at least one is needed with the grant types {echo(' '.join(grants))} (RFC 7591 section 2)"
        hearing.refuse(_REDIRECTS, problem, stage=_Stage.REDIRECTS)


def _drop_idle(hearing: _Hearing) -> None:
    """Members that mean nothing here are dropped and told, or refused (strict); a false one was no wish."""
    card = hearing.card
    if _IDLE.keys().isdisjoint(card):
        return
    for name in [name for name in card if name in _IDLE]:
        row, idle = _IDLE[name]
        why = idle(card, hearing.ground)
        value = card[name]
        if not why:
            if row.kind in {Kind.CHOICE, Kind.ALG} and isinstance(value, str):
                _check_word(hearing, row, value)
            continue
        del card[name]
        if hearing.ground.strict and value is not False:
            hearing.refuse(row, why, stage=_Stage.AGREEMENT)
        elif value is not False:
            hearing.change(name, value, None, why)


def _fill(hearing: _Hearing) -> None:
    card, ground = hearing.card, hearing.ground
    if hearing.default_scope:
        card.setdefault("scope", hearing.default_scope)
    for name, derive, beside, default in _ALWAYS_DEFAULTED if _BESIDE.isdisjoint(card) else _DEFAULTED:
        if name in card or (beside and beside not in card):
            continue
        if derive is None:
            card[name] = default.copy() if type(default) is list else default
        elif value := derive(card, ground):
            card[name] = value


def _check_agreements(hearing: _Hearing) -> None:
    card, ground = hearing.card, hearing.ground
    public = card[METHOD] == "none"
    for name in filter(_AGREEING.__contains__, card):
        row, agrees, algorithm = _AGREEING[name]
        for agreement in agrees:
            problem = agreement(card, ground)
            if problem:
                hearing.refuse(row, problem, stage=_Stage.AGREEMENT)
        if public and algorithm and is_symmetric(card[name]):
            problem = "needs a client secret, which a public client does not get (OIDC Core section 10.2)"
            hearing.refuse(row, problem, stage=_Stage.AGREEMENT)


def _check_hosts(hearing: _Hearing) -> None:
    """Links that people see should be on a host of the client; http ones are told too (RFC 7591 §5)."""
    if not hearing.links:
        return
    redirects = texts_of(hearing.card, "redirect_uris")
    hosts = {host_of(uri) for uri in redirects}
    for row, name, url in hearing.links:
        if url[:5].lower() == "http:":
            hearing.warnings.append(f"{name}: is not https")
        if not redirects or hearing.ground.related_hosts == "off" or host_of(url) in hosts:
            continue
        problem = "is on a host that no redirect URI has (RFC 7591 section 5)"
        if hearing.ground.related_hosts == "enforce":
            hearing.refuse(row, problem, name=name, stage=_Stage.AGREEMENT)
        else:
            hearing.warnings.append(f"{name}: {problem}")


_PLAIN_NAME = re.compile(r"(?!__)[A-Za-z0-9_.:/@-]{1,128}")
"""Names that an open list of extensions takes; nothing that a template or a prototype would react to."""

_TEXTS = frozenset({str})

_EXTENSION = Member("extension", Kind.ANY, "RFC 7591 §2", "A member that the operator lets through.", i18n=True)
_BY_BROWSER = frozenset(REDIRECT_GRANTS)
_ALONE = frozenset({"refresh_token"})
"""Grant types that give nothing by themselves."""
_HOW = {row.name: _NARROW[row.kind] for row in (*MEMBERS.values(), _EXTENSION)}
_SILENT = frozenset(row.name for row in MEMBERS.values() if row.by is By.SERVER or row.unread)
_HEARD = {name: row for name, row in MEMBERS.items() if name not in _SILENT}
_REDIRECTS = MEMBERS["redirect_uris"]
_CALLBACK_ROWS = tuple(row for row in MEMBERS.values() if row.kind is Kind.CALLBACKS)
_IDLE = {row.name: (row, row.idle) for row in MEMBERS.values() if row.idle}
_DEFAULTED = tuple((row.name, row.derive, row.beside, row.default) for row in MEMBERS.values() if row.derive or row.default is not None)
_BESIDE = frozenset(row.beside for row in MEMBERS.values() if row.beside)
_ALWAYS_DEFAULTED = tuple(row for row in _DEFAULTED if row[2] == "")
"""The defaults of a card that says nothing that others are needed beside."""
_AGREEING = {row.name: (row, row.agrees, row.kind is Kind.ALG) for row in MEMBERS.values() if row.agrees or row.kind is Kind.ALG}
_METHODS = frozenset(row.name for row in MEMBERS.values() if row.name.endswith("_endpoint_auth_method"))
_SECRETIVE = _METHODS | {row.name for row in MEMBERS.values() if row.kind is Kind.ALG}
