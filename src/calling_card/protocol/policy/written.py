"""An operator's policy, read strictly: whatever is not understood to the letter is refused, with its place (A-87, X-35)."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import cast

from calling_card.protocol.card.ground import ASSERTION_ALGS, GRANT_TYPES
from calling_card.protocol.card.vocabulary import MEMBERS, By, Kind
from calling_card.protocol.clients import Tier
from calling_card.protocol.policy.conditions import CONDITIONS, TIERS, Condition
from calling_card.protocol.policy.rows import VERSION, Ceiling, Policy, Rule, Software, Then
from calling_card.protocol.policy.sites import PRESETS, callback_problem, site_problem

_TOP = ("version", "name", "use", "preset", "ceiling", "software", "rule")
_RULE = ("name", "when", "unless", "then", "why")
_SOFTWARE = ("id", "redirect_hosts", "client_uri_hosts", "single_instance", "then", "why")
_NARROWED = ("grant_types", "response_types", "scope")
"""Members that can lose a value and still be used."""
_REQUIRED = (Kind.TEXT, Kind.URL, Kind.URLS, Kind.CHOICE, Kind.CHOICES, Kind.ALG, Kind.SCOPE, Kind.FLAG)
_LONGEST = 200
_CENTURY = 3_155_760_000
_MOST = 1_000_000_000


class BadPolicy(Exception):
    """What was written cannot be used; the text names the place."""


def digest_of(text: bytes) -> str:
    """Which version of a policy a text is."""
    return hashlib.sha256(text).hexdigest()[:12]


def policy_of(written: Mapping[str, object], digest: str, reserved: Collection[str] = ()) -> Policy:
    """The policy that is written; ``reserved``: scopes that no tier of strangers may have (H-03). Raises `BadPolicy`."""
    _check_keys(written, _TOP, "")
    if written.get("version") != VERSION or isinstance(written["version"], bool):
        raise BadPolicy(f"version: must be {VERSION}")
    name = _line(written.get("name"), "name")
    presets = _presets(written)
    return Policy(
        name=name,
        digest=digest,
        rules=_rules(written.get("rule", []), presets),
        ceilings=_ceilings(_table(written.get("ceiling", {}), "ceiling"), reserved),
        software=tuple(_software(place, row) for place, row in _rows(written.get("software", []), "software", "id")),
        presets=presets,
    )


# ── Presets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _presets(written: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Those of ours that the file uses, and its own."""
    found: dict[str, tuple[str, ...]] = {}
    for name in _texts(written.get("use", []), "use", empty=True):
        known = _one_of(name, PRESETS, "use", "preset")
        found[known] = PRESETS[known]
    for name, row in _table(written.get("preset", {}), "preset").items():
        place = f"preset.{name}"
        if name in found:
            raise BadPolicy(f"{place}: use names the one of this program already")
        table = _table(row, place)
        _check_keys(table, ("callbacks",), f"{place}: ")
        found[name] = _texts(table.get("callbacks"), f"{place}: callbacks", problem=callback_problem)
    return found


# ── Ceilings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ceilings(written: Mapping[str, object], reserved: Collection[str]) -> dict[Tier, Ceiling]:
    found: dict[Tier, Ceiling] = {}
    for name, row in written.items():
        tier = TIERS[_one_of(name, TIERS, "ceiling", "tier")]
        place = f"ceiling.{name}"
        table = _table(row, place)
        _check_keys(table, tuple(_CEILING), f"{place}: ")
        ceiling = Ceiling(**{key: _CEILING[key](value, f"{place}: {key}") for key, value in table.items()})  # type: ignore[arg-type] # each by its key's reader
        own = next((scope for scope in ceiling.scopes or () if scope in reserved), "")
        if own and tier < Tier.TOKEN:
            raise BadPolicy(f"{place}: scopes: {own} opens registration to others, and never comes to strangers")
        found[tier] = ceiling
    return found


def _scheme_problem(scheme: str) -> str:
    good = scheme[:1].isalpha() and scheme.isascii() and all(char.isalnum() or char in "+.-" for char in scheme)
    return "" if good and scheme == scheme.lower() else "is no scheme in lower case"


def _scope_problem(scope: str) -> str:
    return "is not one word" if scope.split() != [scope] else ""


def _words_of(known: Collection[str], problem: Callable[[str], str] | None = None) -> Callable[[object, str], object]:
    return lambda value, place: _texts(value, place, known, problem=problem, empty=True)


def _seconds(value: object, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _CENTURY:
        raise BadPolicy(f"{place}: is no number of seconds from 1 to a century")
    return value


def _number(value: object, place: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _MOST:
        raise BadPolicy(f"{place}: is no number from 1 to {_MOST}")
    return value


def _consent(value: object, place: str) -> str:
    return _one_of(value, ("remembered", "always"), place, "word")


_CEILING: Mapping[str, Callable[[object, str], object]] = {
    "scopes": _words_of((), _scope_problem),
    "grants": _words_of(GRANT_TYPES),
    "auth_methods": _words_of(MEMBERS["token_endpoint_auth_method"].known),
    "algorithms": _words_of(ASSERTION_ALGS),
    "redirect_hosts": _words_of((), site_problem),
    "redirect_schemes": _words_of((), _scheme_problem),
    "secret_lifetime": _seconds,
    "refresh_lifetime": _seconds,
    "clients": _number,
    "consent": _consent,
}


# ── Software ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _software(place: str, row: Mapping[str, object]) -> Software:
    _check_keys(row, _SOFTWARE, f"{place}: ")
    redirects, pages = (
        _texts(row.get(key, []), f"{place}: {key}", problem=site_problem, empty=True) for key in ("redirect_hosts", "client_uri_hosts")
    )
    alone = row.get("single_instance", False)
    if not isinstance(alone, bool):
        raise BadPolicy(f"{place}: single_instance: is not true or false")
    if not redirects and not pages and not alone:
        raise BadPolicy(f"{place}: redirect_hosts, client_uri_hosts, single_instance: one of them must say something")
    then = Then(_one_of(row.get("then", "refuse"), (Then.REFUSE, Then.HOLD), f"{place}: then", "outcome"))
    return Software(_line(row["id"], f"{place}: id"), redirects, pages, then, _why(row, place), alone)


# ── Rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rules(written: object, presets: Collection[str]) -> tuple[Rule, ...]:
    return tuple(_rule(place, row, presets) for place, row in _rows(written, "rule", "name"))


def _rule(place: str, row: Mapping[str, object], presets: Collection[str]) -> Rule:
    _check_keys(row, _RULE, f"{place}: ")
    if "unless" in row and not row["unless"]:
        raise BadPolicy(f"{place}: unless: says nothing; leave it out")
    then, values = _then(row.get("then"), f"{place}: then")
    return Rule(
        name=_line(row["name"], f"{place}: name"),
        then=then,
        when=_conditions(row.get("when", {}), f"{place}: when", presets),
        unless=_conditions(row.get("unless", {}), f"{place}: unless", presets),
        values=values,
        why=_why(row, place),
    )


def _then(written: object, place: str) -> tuple[Then, dict[str, tuple[str, ...]]]:
    """One word, or a table with one key: what may stay, or what is wanted."""
    if isinstance(written, str):
        return Then(_one_of(written, (Then.ALLOW, Then.REFUSE, Then.HOLD), place, "outcome")), {}
    table = _table(written, place)
    if len(table) != 1:
        raise BadPolicy(f"{place}: must be allow, refuse, hold, or a table with narrow or require")
    ((act, members),) = table.items()
    then = Then(_one_of(act, (Then.NARROW, Then.REQUIRE), place, "outcome"))
    place = f"{place}: {then.value}"
    found = {name: _values(then, name, values, f"{place}: {name}") for name, values in _table(members, place).items()}
    if not found:
        raise BadPolicy(f"{place}: names no member")
    return then, found


def _values(then: Then, name: str, written: object, place: str) -> tuple[str, ...]:
    taken = _NARROWED if then is Then.NARROW else _REQUIRABLE
    row = MEMBERS[_one_of(name, taken, place, f"member for {then.value}")]
    known = ("true", "false") if row.kind is Kind.FLAG else row.known
    return _texts(written, place, known)


_REQUIRABLE = tuple(
    row.name
    for row in MEMBERS.values()
    if row.kind in _REQUIRED and row.by is By.CLIENT and not row.unread and row.name != "software_statement"
)


def _conditions(written: object, place: str, presets: Collection[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, values in _table(written, place).items():
        row = CONDITIONS[_one_of(name, CONDITIONS, place, "condition")]
        found[name] = _wanted(row, values, f"{place}: {name}", presets)
    return found


def _wanted(row: Condition, written: object, place: str, presets: Collection[str]) -> tuple[str, ...]:
    if row.name == "preset":
        return _texts(written, place, presets or ("nothing, because use and [preset.NAME] name none",))
    return _texts(written, place, row.known, problem=_PROBLEMS.get(row.name))


_PROBLEMS: Mapping[str, Callable[[str], str]] = {"redirect_host": site_problem, "redirect_scheme": _scheme_problem, "scope": _scope_problem}


# ── Values ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(written: object, kind: str, key: str) -> list[tuple[str, Mapping[str, object]]]:
    """The tables of a list, each with its place; one name means one of them."""
    if not isinstance(written, list):
        raise BadPolicy(f"{kind}: is not written as [[{kind}]]")
    found: dict[str, Mapping[str, object]] = {}
    for number, one in enumerate(cast("list[object]", written), 1):
        table = _table(one, f"{kind} {number}")
        name = _line(table.get(key), f"{kind} {number}: {key}")
        place = f"{kind} {number} ({name})"
        if any(other.get(key) == name for other in found.values()):
            raise BadPolicy(f"{place}: {key}: is written twice")
        found[place] = table
    return list(found.items())


def _check_keys(table: Mapping[str, object], known: Collection[str], place: str) -> None:
    unknown = next((key for key in table if key not in known), None)
    if unknown is not None:
        raise BadPolicy(f"{place}{unknown}: there is no such key{_nearest(unknown, known)}")


def _one_of(word: object, known: Collection[str], place: str, kind: str) -> str:
    if not isinstance(word, str) or word not in known:
        raise BadPolicy(f"{place}: there is no {kind} {word!r}{_nearest(str(word), known)}")
    return word


def _nearest(word: str, known: Collection[str]) -> str:
    found = get_close_matches(word, [str(one) for one in known], n=1)
    return f"; did you mean {found[0]}?" if found else f"; there is {', '.join(known)}"


def _table(value: object, place: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise BadPolicy(f"{place}: is not a table")
    return cast("Mapping[str, object]", value)


def _texts(
    value: object, place: str, known: Collection[str] = (), *, problem: Callable[[str], str] | None = None, empty: bool = False
) -> tuple[str, ...]:
    """A list of texts; an empty one would match nothing, or everybody."""
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    found = tuple(item for item in items if isinstance(item, str) and item)
    if len(found) != len(items):
        raise BadPolicy(f"{place}: is not a list of texts")
    if not found and not empty:
        raise BadPolicy(f"{place}: is empty")
    for item in found:
        if known:
            _one_of(item, known, place, "value")
        if wrong := problem(item) if problem else "":
            raise BadPolicy(f"{place}: {item} {wrong}")
    return found


def _line(value: object, place: str) -> str:
    """A text that goes into answers, logs and lists."""
    if not isinstance(value, str) or not value.strip():
        raise BadPolicy(f"{place}: is missing")
    if len(value) > _LONGEST or not all(" " <= char <= "~" and char not in '"\\' for char in value):
        raise BadPolicy(f"{place}: must be ASCII in one line without quotes and backslashes, at most {_LONGEST} characters")
    return value


def _why(row: Mapping[str, object], place: str) -> str:
    return _line(row["why"], f"{place}: why") if "why" in row else ""
