"""Passkeys: what a device may prove to us, and everything that proves nothing (WebAuthn Level 3 §7)."""

import json
import secrets
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from calling_card.keys.passkeys import LONGEST, WebPasskeys
from calling_card.protocol.persons.people import Passkey, Person, Role
from tests.keys.device import BACKED_UP, EDDSA, ES256, PRESENT, RS256, VERIFIED, Device, b64, new_key, unb64

ISSUER = "https://as.example"
PASSKEYS = WebPasskeys(ISSUER)
PERSON = Person(id=b"p" * 16, name="ana", role=Role.NONE, password="", claims={"name": "Ana Núñez"})
CHALLENGE = b"c" * 32
ANOTHER = b"d" * 32


def a_device(**changed: Any) -> Device:  # noqa: ANN401 # the types of the fields, test by test
    return Device(ISSUER).but(**changed)


def wanted() -> str:
    return PASSKEYS.wanted(PERSON, CHALLENGE, [])


def kept(device: Device) -> Passkey:
    """What is stored of a device that registered honestly."""
    made = PASSKEYS.registered(device.but(flags=PRESENT | VERIFIED).create(wanted()), CHALLENGE)
    assert made is not None
    return Passkey(PERSON.id, made.id, made.public_key, made.count, "phone", 0, 0)


def signed_in(device: Device, passkey: Passkey, challenge: bytes = CHALLENGE) -> int | None:
    return PASSKEYS.proven(device.get(PASSKEYS.asked(CHALLENGE), PERSON.id), challenge, passkey)


# ── What is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_passkey_is_wanted_that_the_device_finds_by_itself_and_that_checks_who_holds_it() -> None:
    there = [kept(a_device(id=name)) for name in (b"first", b"second")]

    asked = json.loads(PASSKEYS.wanted(PERSON, CHALLENGE, there))

    assert asked["rp"] == {"id": "as.example", "name": "calling-card"}
    assert asked["user"] == {"id": b64(PERSON.id), "name": "ana", "displayName": "Ana Núñez"}
    assert unb64(asked["challenge"]) == CHALLENGE
    assert {(each["type"], each["alg"]) for each in asked["pubKeyCredParams"]} == {("public-key", alg) for alg in (ES256, EDDSA, RS256)}
    assert asked["excludeCredentials"] == [{"id": b64(name), "type": "public-key"} for name in (b"first", b"second")]
    assert asked["authenticatorSelection"] == {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"}
    assert (asked["attestation"], asked["timeout"]) == ("none", 300_000)


def test_a_person_without_a_claim_name_is_shown_by_the_sign_in_name() -> None:
    asked = json.loads(PASSKEYS.wanted(structs.replace(PERSON, claims={}), CHALLENGE, []))

    assert asked["user"]["displayName"] == "ana"


def test_signing_in_asks_for_any_passkey_of_this_server() -> None:
    asked = json.loads(PASSKEYS.asked(CHALLENGE))

    assert asked == {
        "challenge": b64(CHALLENGE),
        "timeout": 300_000,
        "rpId": "as.example",
        "allowCredentials": [],
        "userVerification": "required",
    }


# ── Where ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "issuer, available",
    [
        ("https://as.example", True),
        ("https://as.example:8443/tenant", True),
        ("https://xn--bcher-kva.example", True),
        ("https://localhost:8443", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", False),
        ("https://127.0.0.1", False),
        ("https://192.0.2.1", False),
        ("http://[::1]:8000", False),
        ("https://[2001:db8::1]", False),
        ("http://as.example", False),
        ("", False),
    ],
)
def test_passkeys_are_offered_where_browsers_take_them(issuer: str, available: bool) -> None:
    assert WebPasskeys(issuer).available is available


@pytest.mark.parametrize(
    "issuer, rp, origin",
    [
        ("https://as.example", "as.example", "https://as.example"),
        ("https://as.example/", "as.example", "https://as.example"),
        ("https://as.example:443/tenant", "as.example", "https://as.example"),
        ("https://as.example:8443/tenant", "as.example", "https://as.example:8443"),
        ("https://AS.example", "as.example", "https://as.example"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
        ("http://localhost:80", "localhost", "http://localhost"),
    ],
)
def test_the_relying_party_is_the_host_and_the_page_is_the_issuers(issuer: str, rp: str, origin: str) -> None:
    here, device = WebPasskeys(issuer), Device(origin)

    made = here.registered(device.create(here.wanted(PERSON, CHALLENGE, [])), CHALLENGE)

    assert made is not None
    assert json.loads(here.asked(CHALLENGE))["rpId"] == rp
    passkey = Passkey(PERSON.id, made.id, made.public_key, made.count, "", 0, 0)
    assert here.proven(device.get(here.asked(CHALLENGE), PERSON.id), CHALLENGE, passkey) == 0


# ── Registering ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("alg", [ES256, EDDSA, RS256])
@pytest.mark.parametrize("fmt", ["none", "packed"])
def test_a_device_registers_and_signs_in(alg: int, fmt: str) -> None:
    device = a_device(key=new_key(alg), fmt=fmt)

    made = PASSKEYS.registered(device.create(wanted()), CHALLENGE)

    assert made is not None
    assert (made.id, made.count) == (device.id, 0)
    assert signed_in(device, Passkey(PERSON.id, made.id, made.public_key, made.count, "", 0, 0)) == 0


def test_a_passkey_that_is_kept_in_several_places_is_taken() -> None:
    assert PASSKEYS.registered(a_device(flags=PRESENT | VERIFIED | BACKED_UP).create(wanted()), CHALLENGE) is not None


def test_the_counter_at_registration_is_kept() -> None:
    made = PASSKEYS.registered(a_device(count=41).create(wanted()), CHALLENGE)

    assert made is not None
    assert made.count == 41


@pytest.mark.parametrize("size, taken", [(1, True), (1023, True), (1024, False), (0, False)])
def test_a_credential_id_has_at_most_1023_bytes(size: int, taken: bool) -> None:
    made = PASSKEYS.registered(a_device(id=b"i" * size).create(wanted()), CHALLENGE)

    assert (made is not None) is taken


LIES: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example"},
    "a host below": {"origin": "https://www.as.example"},
    "another port": {"origin": "https://as.example:8443"},
    "another scheme": {"origin": "http://as.example"},
    "an origin in capitals": {"origin": "https://AS.EXAMPLE"},
    "no origin": {"origin": ""},
    "another relying party": {"rp": "evil.example"},
    "a relying party above": {"rp": "example"},
    "another challenge": {"challenge": ANOTHER},
    "no challenge": {"challenge": b""},
    "half a challenge": {"challenge": CHALLENGE[:16]},
    "nobody verified": {"flags": PRESENT},
    "nobody present": {"flags": VERIFIED},
    "no flags": {"flags": 0},
    "backed up but cannot be": {"flags": PRESENT | VERIFIED | 0x10},
    "in a frame": {"extra": {"crossOrigin": True}},
    "in a frame of a stranger": {"extra": {"crossOrigin": True, "topOrigin": "https://evil.example"}},
    "another type": {"type": "payment.get"},
}
lies = pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())


@lies
def test_a_lie_registers_nothing(lie: dict[str, Any]) -> None:
    assert PASSKEYS.registered(a_device(**lie).create(wanted()), CHALLENGE) is None


def test_an_answer_registers_for_its_own_challenge_only() -> None:
    answer = a_device().create(wanted())

    assert PASSKEYS.registered(answer, CHALLENGE) is not None
    assert PASSKEYS.registered(answer, ANOTHER) is None
    assert PASSKEYS.registered(answer, b"") is None


@pytest.mark.parametrize("fmt", ["android-safetynet", "android-key", "tpm", "apple", "fido-u2f", "compound", "", "unheard-of"])
def test_attestation_that_nobody_asked_for_is_refused(fmt: str) -> None:
    assert PASSKEYS.registered(a_device(fmt=fmt).create(wanted()), CHALLENGE) is None


def test_a_device_that_vouches_for_itself_with_another_key_is_refused() -> None:
    device = a_device(fmt="packed")

    assert PASSKEYS.registered(device.create(wanted()), CHALLENGE) is not None
    assert PASSKEYS.registered(device.but(signs_with=new_key()).create(wanted()), CHALLENGE) is None
    assert PASSKEYS.registered(device.but(signs_with=new_key(EDDSA)).create(wanted()), CHALLENGE) is None


def _with(answer: dict[str, Any], **response: object) -> str:
    return json.dumps({**answer, "response": {**answer["response"], **response}})


# ── Signing in ───────────────────────────────────────────────────────────────────────────────────────────────────────


@lies
def test_a_lie_proves_nothing(lie: dict[str, Any]) -> None:
    device = a_device()
    passkey = kept(device)

    assert signed_in(device, passkey) == 0
    assert signed_in(device.but(**lie), passkey) is None


def test_an_answer_proves_for_its_own_challenge_only() -> None:
    device = a_device()
    passkey = kept(device)

    assert signed_in(device, passkey, ANOTHER) is None
    assert signed_in(device, passkey, b"") is None


@pytest.mark.parametrize("alg", [ES256, EDDSA, RS256])
def test_another_key_under_the_same_name_proves_nothing(alg: int) -> None:
    device = a_device(key=new_key(alg))
    passkey = kept(device)

    assert signed_in(device.but(signs_with=new_key(alg)), passkey) is None
    assert signed_in(device.but(signs_with=new_key(EDDSA if alg == ES256 else ES256)), passkey) is None


def test_a_passkey_does_not_speak_for_another_one() -> None:
    first, second = a_device(), a_device()

    assert signed_in(first, kept(second)) is None
    assert signed_in(first.but(id=second.id), kept(second)) is None


@pytest.mark.parametrize("owner", [b"", b"q" * 16, b"p" * 15, b"p" * 17])
def test_an_answer_names_the_owner_of_the_passkey(owner: bytes) -> None:
    device = a_device()

    assert signed_in(device.but(owner=owner), kept(device)) is None


@pytest.mark.parametrize(
    "before, now, result",
    [(0, 0, 0), (0, 1, 1), (0, 2**32 - 1, 2**32 - 1), (5, 6, 6), (5, 500, 500), (5, 5, None), (5, 4, None), (5, 0, None), (1, 0, None)],
)
def test_a_counter_rises_or_there_is_none(before: int, now: int, result: int | None) -> None:
    device = a_device()

    assert signed_in(device.but(count=now), replace(kept(device), count=before)) == result


def test_an_answer_to_one_ceremony_is_none_to_the_other() -> None:
    device = a_device()
    created, got = device.create(wanted()), device.get(PASSKEYS.asked(CHALLENGE), PERSON.id)

    assert PASSKEYS.proven(created, CHALLENGE, kept(device)) is None
    assert PASSKEYS.registered(got, CHALLENGE) is None


def test_every_altered_byte_of_what_was_signed_is_found() -> None:
    device = a_device()
    passkey = kept(device)
    answer = json.loads(device.get(PASSKEYS.asked(CHALLENGE), PERSON.id))

    for name in ("authenticatorData", "signature", "clientDataJSON"):
        raw = unb64(answer["response"][name])
        for place in range(len(raw)):
            altered = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
            assert PASSKEYS.proven(_with(answer, **{name: b64(altered)}), CHALLENGE, passkey) is None


# ── Whatever comes ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_name_of_a_passkey_is_read_from_its_answer() -> None:
    device = a_device()

    assert PASSKEYS.named(device.get(PASSKEYS.asked(CHALLENGE), PERSON.id)) == device.id
    assert PASSKEYS.named(device.create(wanted())) == device.id


NONSENSE = [
    "",
    "x",
    "{",
    "{}",
    "[]",
    "null",
    "7",
    '"x"',
    "\0",
    "\ud800",
    "[" * 10_000,
    '{"a":' * 3_000,
    "1" * 10_000,
    '{"rawId": 7}',
    '{"rawId": null}',
    '{"rawId": "A"}',
    '{"rawId": "é"}',
    '{"rawId": "\\ud800"}',
    '{"rawId": ["AAAA"]}',
    '{"rawId": ""}',
    json.dumps({"rawId": "A" * 1400}),
    " " * (LONGEST + 1),
    json.dumps({"rawId": "AAAA", "more": "x" * LONGEST}),
]


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda text: ascii(text[:20]))
def test_nonsense_proves_nothing_and_fails_nothing(answer: str) -> None:
    assert PASSKEYS.registered(answer, CHALLENGE) is None
    assert PASSKEYS.proven(answer, CHALLENGE, kept(a_device())) is None
    assert PASSKEYS.named(answer) == b""


def test_an_answer_may_be_16384_characters_long_and_no_longer() -> None:
    device = a_device()
    passkey, answer = kept(device), device.get(PASSKEYS.asked(CHALLENGE), PERSON.id)

    assert PASSKEYS.proven(answer.ljust(LONGEST), CHALLENGE, passkey) == 0
    assert PASSKEYS.proven(answer.ljust(LONGEST + 1), CHALLENGE, passkey) is None
    assert PASSKEYS.named(answer.ljust(LONGEST + 1)) == b""


ODD: list[object] = [None, 0, 1.5, True, "", "A", "AAAA", "é", "\ud800", [], {}, ["AAAA"], {"a": 1}, "A" * 5000]


def members(answer: dict[str, Any]) -> list[tuple[str, ...]]:
    return [*((name,) for name in answer), *(("response", name) for name in answer["response"])]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: ascii(odd)[:20])
def test_a_member_of_another_type_or_none_proves_nothing_and_fails_nothing(odd: object) -> None:
    device = a_device()
    passkey = kept(device)

    for answer in (json.loads(device.create(wanted())), json.loads(device.get(PASSKEYS.asked(CHALLENGE), PERSON.id))):
        for place in members(answer):
            if place[0] == "clientExtensionResults":
                continue
            spoilt = {**answer, place[0]: odd} if len(place) == 1 else {**answer, "response": {**answer["response"], place[1]: odd}}
            missing = json.loads(json.dumps(answer))
            (missing if len(place) == 1 else missing["response"]).pop(place[-1])
            for text in (json.dumps(spoilt), json.dumps(missing)):
                assert PASSKEYS.registered(text, CHALLENGE) is None
                assert PASSKEYS.proven(text, CHALLENGE, passkey) is None
                assert isinstance(PASSKEYS.named(text), bytes)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "authenticatorAttachment"]), JSON_VALUES),
    st.dictionaries(st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "attestationObject", "userHandle"]), JSON_VALUES),
)
def test_any_json_gets_an_answer(outer: dict[str, object], inner: dict[str, object]) -> None:
    answer = json.dumps({**outer, "response": inner})
    stored = Passkey(PERSON.id, b"i", b"k", 0, "", 0, 0)

    assert PASSKEYS.registered(answer, CHALLENGE) is None
    assert PASSKEYS.proven(answer, CHALLENGE, stored) is None
    assert isinstance(PASSKEYS.named(answer), bytes)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_in_the_place_of_attestation_or_stored_key_get_an_answer(raw: bytes) -> None:
    device = a_device()
    answer = json.loads(device.create(wanted()))
    passkey = Passkey(PERSON.id, device.id, raw, 0, "", 0, 0)

    assert PASSKEYS.registered(_with(answer, attestationObject=b64(raw)), CHALLENGE) is None
    assert signed_in(device, passkey) is None


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xbb" + b"\xff" * 8,
        b"\x9b" + b"\xff" * 8,
        b"\x5b" + b"\x7f" + b"\xff" * 7,
        b"\x81" * 8000,
        b"\xa1\x00" * 4000,
        b"\xd8\x1c\x81\xd8\x1d\x00",
        b"\x9f" * 8000,
        b"\xc2\x59\x1f\x40" + b"\xff" * 8000,
    ],
    ids=["map", "array", "bytes", "deep", "deep map", "cycle", "endless", "number"],
)
def test_a_small_answer_that_would_unfold_to_a_huge_one_is_refused(bomb: bytes) -> None:
    answer = json.loads(a_device().create(wanted()))

    assert PASSKEYS.registered(_with(answer, attestationObject=b64(bomb)), CHALLENGE) is None
    assert PASSKEYS.registered(_with(answer, attestationObject=b64(b"\xa1\x63fmt" + bomb)), CHALLENGE) is None


def test_a_stored_key_off_its_curve_proves_nothing() -> None:
    device = a_device()
    passkey = kept(device)

    damaged = replace(passkey, public_key=passkey.public_key[:-32] + secrets.token_bytes(32))

    assert signed_in(device, damaged) is None
