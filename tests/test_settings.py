"""The settings: every row by every way in, and no combination that is not safe (A-91, H-25)."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import cast

import pytest

from calling_card.settings import SETTINGS, BadSettings, Setting, Settings, check, complete, is_loopback, load
from tests.ledger import meets

NOTHING: Mapping[str, str] = {}
each_row = pytest.mark.parametrize("row", SETTINGS, ids=lambda row: row.name)

NEEDS: Mapping[str, Mapping[str, object]] = {
    "default_scope": {"scopes": ("other", "scope")},
    "host": {"issuer": "https://as.example", "trusted_proxies": ("10.0.0.0/8",)},
    "registration_scope": {"anonymous_scopes": ("openid",)},
    "scopes": {"default_scope": "other"},
}
"""What another value of a row needs beside it."""


def other(row: Setting) -> object:
    """A value the row may have and does not have by default."""
    special: Mapping[str, object] = {
        "issuer": "https://as.example/tenant",
        "host": "10.1.2.3",
        "registration_path": "/oauth/register",
        "registration_scope": "profile",
        "jwt_lifetime": 200,
        "default_scope": "other scope",
        "trusted_proxies": ("10.0.0.0/8", "fd00::/8"),
        "fetch_proxy": "http://proxy.internal:3128",
        "database": "postgresql://db.internal/cards",
    }
    if row.name in special:
        return special[row.name]
    if row.choices and isinstance(row.default, tuple):
        return row.choices[:1]
    if row.choices:
        return next(word for word in row.choices if word != row.default)
    if isinstance(row.default, bool):
        return not row.default
    if isinstance(row.default, int):
        return row.default + 7
    return ("other", "words") if isinstance(row.default, tuple) else "other"


def listed(value: object) -> tuple[object, ...]:
    """The words of a list, or the one value."""
    return cast(tuple[object, ...], value) if isinstance(value, tuple) else (value,)


def spelled(value: object) -> str:
    """A value as an environment variable has it."""
    if isinstance(value, tuple):
        return " ".join(str(word) for word in listed(cast(object, value)))
    return str(value).lower() if isinstance(value, bool) else str(value)


def toml(values: Mapping[str, object]) -> str:
    """Values as a TOML file has them: for these types as JSON."""
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in values.items())


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


# ── Every row by every way in ────────────────────────────────────────────────────────────────────────────────────────


def test_every_field_is_a_row_with_a_meaning_and_a_default_that_works() -> None:
    assert [row.name for row in SETTINGS] == [row.name for row in fields(Settings)]
    assert all(row.meaning.endswith(".") and row.since and row.env == f"CALLING_CARD_{row.name.upper()}" for row in SETTINGS)
    assert all({*listed(row.default)} <= {*row.choices} for row in SETTINGS if row.choices)
    assert load({}, environment=NOTHING) == complete(Settings())


@each_row
def test_a_flag_sets_a_row(row: Setting) -> None:
    made = load({row.name: other(row), **NEEDS.get(row.name, {})}, environment=NOTHING)

    assert getattr(made, row.name) == other(row)


@each_row
def test_an_environment_variable_sets_a_row(row: Setting) -> None:
    made = load(NEEDS.get(row.name, {}), environment={row.env: spelled(other(row))})

    assert getattr(made, row.name) == other(row)


@each_row
def test_a_file_sets_a_row(row: Setting, tmp_path: Path) -> None:
    file = written(tmp_path, toml({row.name: other(row), **NEEDS.get(row.name, {})}))

    made = load({}, file=file, environment=NOTHING)

    assert getattr(made, row.name) == other(row)


@each_row
def test_a_value_of_another_type_is_refused_by_name(row: Setting, tmp_path: Path) -> None:
    bad = "7" if isinstance(row.default, str) else '["x", 7]'
    file = written(tmp_path, f"{row.name} = {bad}")

    with pytest.raises(BadSettings, match=rf"^{row.name}: .* is not (true or false|a whole number|a text|a list of texts)$"):
        load({}, file=file, environment=NOTHING)


@pytest.mark.parametrize("row", [row for row in SETTINGS if row.choices], ids=lambda row: row.name)
def test_a_word_that_is_no_choice_is_refused_with_the_choices(row: Setting) -> None:
    with pytest.raises(BadSettings, match=rf"^{row.name}: 'sometimes' is not one of {', '.join(row.choices)}$"):
        load({}, environment={row.env: "sometimes"})


def test_a_flag_goes_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "port = 1111\nbody_limit = 1111\njwt_lifetime = 111")

    made = load(
        {"port": 3333, "body_limit": None, "jwt_lifetime": None},
        file=file,
        environment={"CALLING_CARD_PORT": "2222", "CALLING_CARD_BODY_LIMIT": "2222"},
    )

    assert (made.port, made.body_limit, made.jwt_lifetime) == (3333, 2222, 111)


def test_the_environment_of_the_process_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLING_CARD_PORT", "4444")

    assert load({}).port == 4444


@pytest.mark.parametrize(
    "word, meant", [("true", True), ("TRUE", True), ("1", True), ("yes", True), ("False", False), ("0", False), ("no", False)]
)
def test_a_switch_is_understood_in_each_common_spelling(word: str, meant: bool) -> None:
    assert load({}, environment={"CALLING_CARD_MANAGEMENT": word}).management is meant


@pytest.mark.parametrize("word", ["", "on", "2", "maybe", "true "])
def test_a_switch_in_any_other_spelling_is_refused(word: str) -> None:
    with pytest.raises(BadSettings, match=r"^management: .* is not true or false$"):
        load({}, environment={"CALLING_CARD_MANAGEMENT": word})


@pytest.mark.parametrize(
    "word", ["", "-", "--5", "1.0", "1e3", "0x10", " 5", "5\n", "²", "٣", "9" * 5_000, "five"], ids=lambda word: ascii(word[:9])
)
def test_a_number_in_any_other_spelling_is_refused(word: str) -> None:
    with pytest.raises(BadSettings, match=r"^secret_overlap: .* is not a whole number$"):
        load({}, environment={"CALLING_CARD_SECRET_OVERLAP": word})


@pytest.mark.parametrize("text", ["a b", "a,b", "a, b", " a ,, b "])
def test_a_list_is_words_with_commas_or_spaces_between(text: str) -> None:
    assert load({}, environment={"CALLING_CARD_EXTENSIONS": text}).extensions == ("a", "b")


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_that_is_no_setting_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "port = 8001\nprot = 8002\n")

    with pytest.raises(BadSettings, match="there is no setting prot; see calling-card config schema"):
        load({}, file=file, environment=NOTHING)


@pytest.mark.parametrize("content", [b"port = ", b"port = 1\nport = 2", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "settings.toml"
    file.write_bytes(content)

    with pytest.raises(BadSettings, match=r"settings\.toml: "):
        load({}, file=file, environment=NOTHING)


def test_a_missing_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"settings\.toml: No such file"):
        load({}, file=tmp_path / "settings.toml", environment=NOTHING)


# ── The issuer ───────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("H-25")
@pytest.mark.parametrize(
    "host, issuer",
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("localhost", "http://localhost:8000"),
        ("::1", "http://[::1]:8000"),
        ("127.9.9.9", "http://127.9.9.9:8000"),
    ],
)
@pytest.mark.parametrize("dev", [True, False])
def test_without_an_issuer_a_server_on_loopback_has_its_address_for_one(host: str, issuer: str, dev: bool) -> None:
    assert load({"host": host, "dev": dev}, environment=NOTHING).issuer == issuer


@meets("H-25", "A-04", "A-91")
@pytest.mark.parametrize(
    "issuer, host",
    [
        ("http://as.example", "127.0.0.1"),
        ("http://as.example", "0.0.0.0"),  # noqa: S104 # is refused
        ("http://127.0.0.1:8000", "0.0.0.0"),  # noqa: S104 # is refused
        ("http://localhost:8000", "192.0.2.1"),
        ("http://127.0.0.1.evil.example", "127.0.0.1"),
        ("http://localhost.evil.example", "127.0.0.1"),
        ("http://2130706433", "127.0.0.1"),
        ("", "0.0.0.0"),  # noqa: S104 # is refused
        ("", "as.example"),
    ],
)
@pytest.mark.parametrize("dev", [True, False])
def test_plain_http_is_refused_unless_issuer_and_address_are_on_loopback(issuer: str, host: str, dev: bool) -> None:
    with pytest.raises(BadSettings, match=r"^issuer: http is only for an issuer and an address on loopback"):
        load({"issuer": issuer, "host": host, "dev": dev, "trusted_proxies": ["10.0.0.0/8"]}, environment=NOTHING)


@meets("A-02", "A-91")
@pytest.mark.parametrize(
    "issuer",
    [
        "as.example",
        "//as.example",
        "/tenant",
        "ftp://as.example",
        "urn:as",
        "https://",
        "https:///tenant",
        "https://:8443",
        "https://[as",
        "https://as.example:port",
        "https://as.example:99999",
        "https://as.example:0",
        "https://as.example/a b",
        "https://as.exa\nmple",
        "https://as.example\t",
        "https://bücher.example",
    ],
    ids=ascii,
)
def test_what_is_no_absolute_url_is_no_issuer(issuer: str) -> None:
    with pytest.raises(BadSettings, match=r"^issuer: .* is not an absolute https URL"):
        load({"issuer": issuer}, environment=NOTHING)


@meets("A-02")
@pytest.mark.parametrize("end", ["?", "?tenant=1", "#", "#a"])
def test_an_issuer_with_a_query_or_fragment_is_refused(end: str) -> None:
    with pytest.raises(BadSettings, match=r"^issuer: must have no query, fragment or user"):
        load({"issuer": "https://as.example" + end}, environment=NOTHING)


@pytest.mark.parametrize("user", ["a@", "a:b@", "@", ":b@"])
def test_an_issuer_with_a_user_is_refused(user: str) -> None:
    with pytest.raises(BadSettings, match=r"^issuer: must have no query, fragment or user"):
        load({"issuer": f"https://{user}as.example"}, environment=NOTHING)


@meets("A-02")
@pytest.mark.parametrize("issuer", ["https://as.example/", "https://as.example/tenant/", "http://127.0.0.1:8000/"])
def test_an_issuer_that_ends_with_a_slash_is_refused_before_clients_compare_it(issuer: str) -> None:
    with pytest.raises(BadSettings, match=r"^issuer: must not end with a slash"):
        load({"issuer": issuer}, environment=NOTHING)


@meets("A-02")
@pytest.mark.parametrize("issuer", ["https://as.example", "https://AS.example:8443/Tenant/a", "https://192.0.2.1", "https://[2001:db8::1]"])
def test_an_https_issuer_is_kept_byte_for_byte(issuer: str) -> None:
    assert load({"issuer": issuer}, environment=NOTHING).issuer == issuer


# ── Combinations ─────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("A-04", "A-91")
def test_an_https_server_that_others_reach_in_plain_must_name_the_proxy_that_ends_tls() -> None:
    reachable = {"issuer": "https://as.example", "host": "192.0.2.1"}

    with pytest.raises(BadSettings, match=r"^trusted_proxies: name the proxy that ends TLS, or listen on loopback"):
        load(reachable, environment=NOTHING)
    assert load({**reachable, "trusted_proxies": ["198.51.100.0/24"]}, environment=NOTHING).host == "192.0.2.1"


@meets("A-91")
@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example", "*", "10.0.0.0/33", "300.0.0.1"])
def test_a_proxy_that_is_everybody_or_nobody_is_refused(network: str) -> None:
    with pytest.raises(BadSettings, match=r"^trusted_proxies: "):
        load({"trusted_proxies": ["10.0.0.0/8", network]}, environment=NOTHING)


@meets("A-91")
def test_development_is_for_loopback() -> None:
    with pytest.raises(BadSettings, match=r"^dev: only with an issuer on loopback"):
        load({"issuer": "https://as.example", "dev": True}, environment=NOTHING)
    assert load({"issuer": "https://localhost", "dev": True}, environment=NOTHING).dev


@pytest.mark.parametrize(
    "path",
    ["register", "", "/", "/register/", "/a/", "/a?b", "/a#b", "/a//b", "/a/../b", "/.", "/..", "/a b", "/a%20b", "/{a}", "/é", "/a\n"],
)
def test_a_registration_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(BadSettings, match=r"^registration_path: must begin with / and not end with one"):
        load({"registration_path": path}, environment=NOTHING)


@pytest.mark.parametrize(
    "name",
    ["secret_lifetime", "secret_overlap", "registration_rate", "never_used_limit", "log_repeats", "failure_rate", "metadata_max_age"],
)
def test_what_may_be_none_must_not_be_less(name: str) -> None:
    assert getattr(load({name: 0}, environment=NOTHING), name) == 0
    with pytest.raises(BadSettings, match=rf"^{name}: must not be negative"):
        load({name: -1}, environment=NOTHING)


@pytest.mark.parametrize(
    "name",
    [
        "opaque_token_lifetime",
        "jwt_lifetime",
        "registration_burst",
        "body_limit",
        "head_timeout",
        "body_timeout",
        "connections",
        "tombstone_days",
    ],
)
def test_what_must_be_something_must_not_be_none(name: str) -> None:
    assert getattr(load({name: 1}, environment=NOTHING), name) == 1
    with pytest.raises(BadSettings, match=rf"^{name}: must be at least 1"):
        load({name: 0}, environment=NOTHING)


@meets("H-26", "A-91")
@pytest.mark.parametrize("row", [row for row in SETTINGS if type(row.default) is int], ids=lambda row: row.name)
def test_no_number_may_be_so_large_that_it_means_nothing(row: Setting) -> None:
    with pytest.raises(BadSettings, match=rf"^{row.name}: must be at most "):
        load({row.name: 10**12, "issuer": "https://as.example"}, environment=NOTHING)


@meets("H-26")
def test_a_signed_access_token_lives_five_minutes_at_most() -> None:
    assert load({"jwt_lifetime": 300}, environment=NOTHING).jwt_lifetime == 300
    with pytest.raises(BadSettings, match=r"^jwt_lifetime: must be at most 300$"):
        load({"jwt_lifetime": 301}, environment=NOTHING)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be_is_refused(port: int) -> None:
    with pytest.raises(BadSettings, match=r"^port: must"):
        load({"port": port, "issuer": "https://as.example"}, environment=NOTHING)


@meets("R-27")
@pytest.mark.parametrize(
    "values, words",
    [
        ({"registration_scope": "zoo"}, "registration_scope: zoo is not among scopes"),
        ({"registration_scope": "email"}, "registration_scope: name the scopes of strangers in anonymous_scopes, without this one"),
        ({"registration_scope": "email", "anonymous_scopes": "openid email"}, "registration_scope: name the scopes of strangers"),
        ({"registration_scope": "openid", "anonymous_scopes": "profile"}, "registration_scope: name the scopes of strangers"),
    ],
)
def test_no_stranger_may_have_the_scope_that_lets_others_in(values: dict[str, object], words: str) -> None:
    with pytest.raises(BadSettings, match=f"^{words}"):
        load(values, environment=NOTHING)


def test_a_default_scope_that_is_not_known_is_refused() -> None:
    with pytest.raises(BadSettings, match=r"^default_scope: admin zoo is not among scopes"):
        load({"default_scope": "zoo openid admin"}, environment=NOTHING)


# ── What follows from the issuer ─────────────────────────────────────────────────────────────────────────────────────


@meets("A-03", "X-27")
@pytest.mark.parametrize("issuer, base", [("https://as.example", ""), ("https://as.example/a/b", "/a/b")])
def test_every_url_of_ours_is_made_from_the_issuer(issuer: str, base: str) -> None:
    settings = check(replace(Settings(), issuer=issuer))

    assert settings.base_path == base
    assert settings.registration_endpoint == f"{issuer}/register"
    assert settings.endpoint("/token") == f"{issuer}/token"


@pytest.mark.parametrize(
    "host, local",
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("::", False),
        ("0.0.0.0", False),  # noqa: S104 # is not
        ("localhost.evil.example", False),
        ("LOCALHOST", False),
        ("127.1", False),
        ("", False),
    ],
)
def test_only_the_plain_spellings_of_this_machine_are_this_machine(host: str, local: bool) -> None:
    assert is_loopback(host) is local


@meets("D-14")
@pytest.mark.parametrize(
    "url", ["proxy.internal:3128", "socks5://proxy.internal:1080", "http://", "http://proxy:0", "http://proxy:x", "http://proxy/way"]
)
def test_an_egress_proxy_is_named_by_a_url_that_can_be_one(url: str) -> None:
    with pytest.raises(BadSettings, match=r"^fetch_proxy: must be an http or https URL"):
        load({"fetch_proxy": url}, environment=NOTHING)


@meets("D-14")
@pytest.mark.parametrize("url", ["http://proxy.internal:3128", "https://caller:secret@proxy.internal", "http://[::1]:3128/"])
def test_its_url_may_have_a_user_and_a_password(url: str) -> None:
    assert load({"fetch_proxy": url}, environment=NOTHING).fetch_proxy == url


@meets("D-10", "X-01")
@pytest.mark.parametrize("values", [{"fetch_loopback": True}, {"fetch_ca_file": "ca.pem"}])
def test_this_machine_is_fetched_from_only_by_a_server_that_nobody_else_reaches(values: dict[str, object]) -> None:
    with pytest.raises(BadSettings, match=r": only with an issuer on loopback$"):
        load({"issuer": "https://as.example", "host": "127.0.0.1", **values}, environment=NOTHING)
    assert load(values, environment=NOTHING).issuer == "http://127.0.0.1:8000"
