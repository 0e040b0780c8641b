"""Tokens that we never issued, and tokens where they do not belong: each gets the answer that any nonsense gets (X-40, X-68, X-100)."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey

from calling_card.keys.signing import SEAL, JoseSigner
from calling_card.protocol.handles import seals
from calling_card.protocol.handles import tokens as claims_of_tokens
from calling_card.usecases import tokens
from calling_card.usecases.operate import rotate
from tests.ledger import meets
from tests.world import CALLBACK, Reply, World, changed, rat, world

Card = Mapping[str, Any]
API = "https://api.example"
OTHER = "https://other.example"
DEAD = {"active": False}
UNKNOWN = "the registration access token is not valid for this registration (RFC 7592 section 2.1)"


@dataclass(frozen=True)
class Scene:
    """A server, a client, a resource server for signed tokens, and a living token of each form."""

    server: World
    card: Card
    api: Card
    signed: str
    sealed: str

    async def everywhere(self, token: str) -> None:
        """Present a forged token wherever a token is read; nobody learns anything and nothing dies of it."""
        for caller in (self.card, self.api):
            asked = await self.server.introspect(caller, token)
            assert (asked.status, asked.json) == (200, DEAD), token[:100]
            back = await self.server.post_form("/revoke", {"token": token}, basic=(caller["client_id"], caller["client_secret"]))
            assert (back.status, back.body) == (200, b""), token[:100]
        for method in ("GET", "PUT", "DELETE"):
            reply = await manage(self.server, self.card, method, token)
            assert reply.no in ((401, "invalid_token"), (400, "invalid_request")), (method, token[:100])
            assert reply.status == 400 or reply.why == UNKNOWN
        register = await self.server.post_json("/register", {"redirect_uris": [CALLBACK]}, token)
        assert register.no in ((401, "invalid_token"), (400, "invalid_request")), token[:100]

    async def unharmed(self) -> None:
        """The true tokens live."""
        for token in (self.signed, self.sealed):
            assert (await self.server.introspect(self.card, token)).json["active"]
        assert (await self.server.read(self.card)).status == 200


async def manage(server: World, card: Card, method: str, token: str) -> Reply:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    return await server.call(method, str(card["registration_client_uri"]), b"{}", headers)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    server = await world(tmp_path)
    api = dict((await server.resource(API, "orders:read", "jwt")).information)
    await server.resource(OTHER, "orders:read", "opaque")
    card = await server.machine("orders:read")
    signed = (await server.token(card, resource=API)).json["access_token"]
    sealed = (await server.token(card, resource=OTHER)).json["access_token"]
    scene = Scene(server, card, api, signed, sealed)
    yield scene
    await scene.unharmed()


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def part(value: object) -> str:
    return encoded(json.dumps(value).encode())


def header(scene: Scene) -> dict[str, Any]:
    """What the true token says of itself."""
    value: dict[str, Any] = json.loads(decoded(scene.signed.split(".")[0]))
    return value


def claims(scene: Scene) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(decoded(scene.signed.split(".")[1]))
    return value


def es256(key: ec.EllipticCurvePrivateKey, head: Mapping[str, object], body: Mapping[str, object]) -> str:
    """A token that is signed as it says, by whatever key."""
    message = f"{part(head)}.{part(body)}"
    r, s = decode_dss_signature(key.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{message}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


async def public(scene: Scene) -> dict[str, str]:
    """Our key as everybody can read it."""
    keys = (await scene.server.call("GET", "/jwks")).json["keys"]
    return {name: str(value) for key in keys if key["alg"] == "ES256" for name, value in key.items()}


async def private(scene: Scene) -> ec.EllipticCurvePrivateKey:
    """Our key as only the keyring can open it."""
    (key,) = [one for one in await scene.server.ports.store.signing_keys() if one.alg == "ES256"]
    plain = scene.server.ports.keyring.open(int.from_bytes(key.sealed[:2], "big"), SEAL, key.sealed[2:14], key.sealed[14:])
    assert plain is not None
    found = ECKey.import_key(json.loads(plain)).private_key
    assert found is not None
    return found


# ── Signed tokens ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-40", "X-94", "X-100")
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None])
async def test_a_token_that_says_it_is_not_signed(scene: Scene, alg: str | None) -> None:
    head, signature = {**header(scene), "alg": alg}, scene.signed.split(".")[2]

    for tail in ("", signature, "AA"):
        await scene.everywhere(f"{part(head)}.{part(claims(scene))}.{tail}")


@meets("X-40", "X-94", "X-100")
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
async def test_a_token_keyed_with_our_public_key(scene: Scene, alg: str) -> None:
    key = await public(scene)
    ours = ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")}).public_key
    pem = ours.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = ours.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    point = ours.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    message = f"{part({**header(scene), 'alg': alg})}.{part(claims(scene))}"

    for secret in (pem, pem.strip(), der, point, json.dumps(key).encode(), decoded(key["x"]), key["x"].encode(), b""):
        await scene.everywhere(f"{message}.{encoded(hmac.digest(secret, message.encode(), alg.replace('HS', 'sha')))}")


@meets("X-40", "X-100")
async def test_a_token_of_another_key_whatever_it_calls_itself(scene: Scene) -> None:
    theirs, key = ec.generate_private_key(ec.SECP256R1()), await public(scene)
    jwk: dict[str, object] = {**ECKey.import_key(theirs).as_dict(private=False)}
    kids: list[object] = [
        key["kid"],
        None,
        "",
        "../../../../dev/null",
        "/proc/self/environ",
        "' OR 1=1 --",
        "https://evil.example/k",
        ["x"],
        0,
    ]
    brought: list[dict[str, object]] = [
        {},
        {"jwk": jwk},
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/chain"},
        {"x5c": ["MIIB"], "x5t#S256": "AAAA"},
        {"alg": "ES384"},
        {"alg": "EdDSA"},
        {"alg": ["ES256"]},
    ]

    for kid in kids:
        for more in brought:
            await scene.everywhere(es256(theirs, {**header(scene), "kid": kid, **more}, claims(scene)))


@meets("X-40")
async def test_a_token_of_another_family(scene: Scene) -> None:
    key = rsa.generate_private_key(65537, 2048)

    for alg in ("RS256", "PS256", "ES256"):
        message = f"{part({**header(scene), 'alg': alg})}.{part(claims(scene))}"
        await scene.everywhere(f"{message}.{encoded(key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256()))}")


@meets("X-40", "X-68")
async def test_a_header_that_must_be_understood_is_not_although_the_signature_is_right(scene: Scene) -> None:
    ours = await private(scene)
    for crit in (["exp"], ["b64"], ["x"], [], "b64", None):
        await scene.everywhere(es256(ours, {**header(scene), "crit": crit, "b64": False, "x": 1}, claims(scene)))
    true = await scene.server.introspect(scene.card, es256(ours, header(scene), claims(scene)))

    assert true.json["active"]


@meets("X-43", "X-100")
@pytest.mark.parametrize("typ", ["JWT", "at+JWT", "application/at+jwt", "logout+jwt", "secevent+jwt", "", None])
async def test_a_token_of_ours_for_another_purpose(scene: Scene, typ: str | None) -> None:
    await scene.everywhere(es256(await private(scene), {**header(scene), "typ": typ}, claims(scene)))


@meets("X-59", "X-43", "X-100")
async def test_a_token_of_ours_with_claims_that_we_would_not_write(scene: Scene) -> None:
    ours, said = await private(scene), claims(scene)
    wrong: list[dict[str, object]] = [
        {"iss": "https://other.example"},
        {"iss": "https://as.example/"},
        {"iss": ["https://as.example"]},
        {"client_id": None},
        {"exp": "never"},
        {"exp": 1.5},
        {"exp": None},
        {"exp": -1},
        {"iat": True},
        {"aud": 7},
        {"aud": [1]},
        {"aud": None},
        {"scope": ["orders:read"]},
        {"jti": ""},
        {"jti": "é"},
        {"jti": "A" * 23},
        {"cc": ""},
        {"cc": 1},
        {"sub": 1},
    ]

    for change in wrong:
        await scene.everywhere(es256(ours, header(scene), {**said, **change}))
    for name in said:
        await scene.everywhere(es256(ours, header(scene), {other: value for other, value in said.items() if other != name}))
    for name, value in (("client_id", "somebody"), ("cc", encoded(bytes(16))), ("cc", encoded(bytes(8) + decoded(said["cc"])[8:]))):
        assert (await scene.server.introspect(scene.card, es256(ours, header(scene), {**said, name: value}))).json == DEAD


@meets("X-68", "X-100")
async def test_an_expired_token_that_was_altered_is_no_better_than_an_altered_one(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    head, body, signature = scene.signed.split(".")
    late = part({**claims(scene), "exp": claims(scene)["iat"] - 1})
    forged = [f"{head}.{late}.{signature}", f"{head}.{late}.", f"{head}.{body}.{'A' * 86}", f"{head}.{late}.{'A' * 86}"]
    read: list[str] = []

    def noted(found: Mapping[str, object], issuer: str) -> None:
        read.append(issuer)

    monkeypatch.setattr(claims_of_tokens, "from_claims", noted)
    for token in forged:
        await scene.everywhere(token)

    assert read == []  # no claim was looked at before the signature
    monkeypatch.undo()


@meets("X-100")
async def test_every_altered_letter_of_a_signed_token(scene: Scene) -> None:
    for place, there in enumerate(scene.signed):
        other = "A" if there != "A" else "B"
        forged = scene.signed[:place] + other + scene.signed[place + 1 :]
        assert (await scene.server.introspect(scene.card, forged)).json == DEAD
    for cut in range(0, len(scene.signed), 7):
        assert (await scene.server.introspect(scene.card, scene.signed[:cut] or "x")).json == DEAD


# ── Encrypted tokens ─────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-68")
async def test_nothing_is_decrypted_inflated_or_stretched(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five parts are not three: such a token is dropped before its header is read, whatever work it asks for."""
    heads: list[dict[str, object]] = [
        {"alg": "dir", "enc": "A256GCM"},
        {"alg": "dir", "enc": "A256GCM", "zip": "DEF"},
        {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 10_000_000, "p2s": "c2FsdHNhbHQ"},
        {"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 2**31, "p2s": "c2FsdHNhbHQ", "zip": "DEF"},
        {"alg": "ECDH-ES", "enc": "A256GCM", "epk": (await public(scene))},
        {"alg": "RSA-OAEP", "enc": "A256GCM"},
    ]
    work = Work(monkeypatch)

    for head in heads:
        await scene.everywhere(f"{part(head)}.AAAA.AAAAAAAAAAAAAAAA.{'A' * 40}.AAAAAAAAAAAAAAAAAAAAAA")
    key = OctKey.import_key(bytes(32))
    await scene.everywhere(jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, scene.signed.encode(), key))

    assert work.done == []
    monkeypatch.undo()


@meets("X-68")
@pytest.mark.parametrize("more", [{"zip": "DEF"}, {"p2c": 10_000_000}, {"alg": "PBES2-HS256+A128KW", "p2c": 10**9}, {"enc": "A256GCM"}])
async def test_neither_is_anything_in_the_header_of_a_signed_token(scene: Scene, more: dict[str, object]) -> None:
    theirs = ec.generate_private_key(ec.SECP256R1())

    await scene.everywhere(es256(theirs, {**header(scene), **more}, claims(scene)))


class Work:
    """Notes every time the keys are asked to do something."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        verify = JoseSigner.verify

        def noted(signer: JoseSigner, token: str, typ: str) -> Mapping[str, object] | None:
            self.done.append(token)
            return verify(signer, token, typ)

        monkeypatch.setattr(JoseSigner, "verify", noted)


@meets("X-68")
async def test_what_has_not_the_shape_of_a_token_never_reaches_the_keys(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch)
    opened: list[bytes] = []

    def noted(number: int, kind: str, nonce: bytes, sealed: bytes) -> bytes | None:
        opened.append(sealed)
        return None

    monkeypatch.setattr(scene.server.ports.keyring, "open", noted)
    shapeless = ["x", ".", "..x.", "a.b", "a.b.c.d", "." * 10_000, "a" * 15_000, "cc_at_", "cc_at_AAAA", f"cc_at_{'A' * 9_000}"]
    for text in (*shapeless, scene.sealed + "=", scene.sealed + " ", scene.sealed.replace("cc_at_", "cc_AT_"), "cc_at_Ag" + "A" * 40):
        assert await tokens.read(scene.server.ports, text) is None

    assert (work.done, opened) == ([], [])
    monkeypatch.undo()


@meets("X-68", "X-60")
async def test_a_token_larger_than_a_form_may_be_is_refused_unread(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch)

    reply = await scene.server.introspect(scene.card, f"{'A' * 10_000}.{'A' * 10_000}.AAAA")

    assert reply.no == (413, "invalid_request")
    assert work.done == []
    monkeypatch.undo()


# ── Sealed tokens ────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-40", "A-68")
async def test_every_flipped_bit_of_a_sealed_token(scene: Scene) -> None:
    raw = decoded(scene.sealed.removeprefix("cc_at_"))

    for place in range(len(raw)):
        for bit in range(8):
            flipped = bytearray(raw)
            flipped[place] ^= 1 << bit
            assert (await scene.server.introspect(scene.card, f"cc_at_{encoded(bytes(flipped))}")).json == DEAD, (place, bit)
    for cut in range(len(raw)):
        for piece in (raw[:cut], raw[cut + 1 :], raw[:cut] + b"\0" + raw[cut:]):
            assert (await scene.server.introspect(scene.card, f"cc_at_{encoded(piece)}")).json == DEAD
    await scene.everywhere(f"cc_at_{encoded(raw + raw)}")


@meets("X-59", "H-23")
async def test_a_token_of_another_issuer_or_another_keyring(scene: Scene, tmp_path: Path) -> None:
    other = await world(tmp_path / "other")
    await other.resource(API, "orders:read", "jwt")
    await other.resource(OTHER, "orders:read", "opaque")
    card = await other.machine("orders:read")

    for resource in (API, OTHER):
        await scene.everywhere((await other.token(card, resource=resource)).json["access_token"])
    for text in (rat(card), card["client_secret"], await other.invitation()):
        await scene.everywhere(text)


@meets("X-43")
async def test_what_the_keyring_seals_for_another_purpose_is_no_token(scene: Scene) -> None:
    ports = scene.server.ports
    raw = decoded(scene.sealed.removeprefix("cc_at_"))
    plain = ports.keyring.open(1, seals.ACCESS_TOKEN.name, raw[3:15], raw[15:])
    assert plain is not None

    for kind in (SEAL, "card", "", "ACCESS_TOKEN"):
        await scene.everywhere(seals.wrap(seals.ACCESS_TOKEN, 1, bytes(12), ports.keyring.seal(kind, plain, bytes(12))))
    for text in (b"", b"\xc0", plain[:-1], plain + b"\0", b"\x90", json.dumps(claims(scene)).encode()):
        await scene.everywhere(seals.wrap(seals.ACCESS_TOKEN, 1, bytes(12), ports.keyring.seal(seals.ACCESS_TOKEN.name, text, bytes(12))))


@meets("X-40")
async def test_a_sealed_token_that_names_another_key(scene: Scene) -> None:
    raw = decoded(scene.sealed.removeprefix("cc_at_"))

    for number in (0, 2, 255, 65535):
        await scene.everywhere(f"cc_at_{encoded(raw[:1] + number.to_bytes(2, 'big') + raw[3:])}")


# ── Handles ──────────────────────────────────────────────────────────────────────────────────────────────────────────

HANDLES = ["client_secret", "registration_access_token"]


def altered(text: str, prefix: str) -> list[str]:
    """Near misses of a handle: every byte flipped, cut, lengthened, in another spelling, under another prefix."""
    raw = decoded(text.removeprefix(prefix))
    found = [prefix + encoded(raw[:n] + bytes([raw[n] ^ 1]) + raw[n + 1 :]) for n in range(len(raw))]
    found += [prefix + encoded(raw[:n]) for n in range(0, len(raw), 5)]
    found += [prefix + encoded(raw + b"\0"), prefix + encoded(b"\0" + raw), text + "=", text + "A", text[:-1], text.upper(), text.lower()]
    found += [
        other + text.removeprefix(prefix) for other in ("cc_secret_", "cc_rat_", "cc_iat_", "cc_at_", "cc_code_", "") if other != prefix
    ]
    if raw[-1] & 3 == 0:
        found += [text[:-1] + chr(ord(text[-1]) + 1)]
    return found


@meets("X-38", "M-10")
async def test_no_near_miss_of_a_registration_access_token_manages(scene: Scene) -> None:
    for text in altered(rat(scene.card), "cc_rat_"):
        reply = await scene.server.read(scene.card, text)
        assert (reply.no, reply.why) == ((401, "invalid_token"), UNKNOWN), text


@meets("X-38", "A-43")
async def test_no_near_miss_of_a_secret_authenticates(scene: Scene) -> None:
    answers = {
        (await scene.server.token({**scene.card, "client_secret": text})).body
        for text in altered(scene.card["client_secret"], "cc_secret_")
    }

    assert len(answers) == 1
    assert b'"invalid_client"' in answers.pop()


@meets("X-38", "R-22")
async def test_no_near_miss_of_an_invitation_registers(scene: Scene) -> None:
    token = await scene.server.invitation()

    for text in altered(token, "cc_iat_"):
        assert (await scene.server.post_json("/register", {"redirect_uris": [CALLBACK]}, text)).no == (401, "invalid_token"), text
    await scene.server.register(token)


# ── Every credential in every other's place ──────────────────────────────────────────────────────────────────────────


async def as_secret(scene: Scene, text: str) -> tuple[int, str]:
    return (await scene.server.token({**scene.card, "client_secret": text})).no


async def as_posted_secret(scene: Scene, text: str) -> tuple[int, str]:
    return (
        await scene.server.post_form(
            "/token", {"grant_type": "client_credentials", "client_id": scene.card["client_id"], "client_secret": text}
        )
    ).no


async def as_introspection_credential(scene: Scene, text: str) -> tuple[int, str]:
    return (await scene.server.introspect({**scene.api, "client_secret": text}, scene.sealed)).no


async def as_introspection_bearer(scene: Scene, text: str) -> tuple[int, str]:
    headers = {"content-type": "application/x-www-form-urlencoded", "authorization": f"Bearer {text}"}
    return (await scene.server.call("POST", "/introspect", f"token={scene.sealed}".encode(), headers)).no


async def as_rat(scene: Scene, text: str) -> tuple[int, str]:
    replies = [await manage(scene.server, scene.card, method, text) for method in ("GET", "PUT", "DELETE")]
    assert len({reply.no for reply in replies}) == 1
    return replies[0].no


async def as_rat_of_another(scene: Scene, text: str) -> tuple[int, str]:
    return (await scene.server.call("GET", f"/register/{scene.api['client_id']}", b"", {"authorization": f"Bearer {text}"})).no


async def as_invitation(scene: Scene, text: str) -> tuple[int, str]:
    return (await scene.server.post_json("/register", {"redirect_uris": [CALLBACK]}, text)).no


async def as_token(scene: Scene, text: str) -> tuple[int, str]:
    return 200, str((await scene.server.introspect(scene.card, text)).json["active"])


PLACES: dict[str, tuple[Callable[[Scene, str], Any], str, tuple[int, str]]] = {
    "secret": (as_secret, "secret", (401, "invalid_client")),
    "posted secret": (as_posted_secret, "", (401, "invalid_client")),
    "introspection credential": (as_introspection_credential, "introspection credential", (401, "invalid_client")),
    "bearer at introspection": (as_introspection_bearer, "", (401, "invalid_token")),
    "registration access token": (as_rat, "registration access token", (401, "invalid_token")),
    "registration access token of another": (as_rat_of_another, "", (401, "invalid_token")),
    "invitation": (as_invitation, "invitation", (401, "invalid_token")),
    "access token": (as_token, "access token", (200, "False")),
}
"""Where, what belongs there, and what anything else is told."""


@meets("A-72", "X-38", "X-43")
@pytest.mark.parametrize("place", PLACES)
async def test_a_credential_is_good_in_its_own_place_alone(scene: Scene, place: str) -> None:
    present, belongs, no = PLACES[place]
    another = await scene.server.machine("orders:read")
    credentials = {
        "secret": str(scene.card["client_secret"]),
        "secret of another": str(another["client_secret"]),
        "introspection credential": str(scene.api["client_secret"]),
        "registration access token": rat(scene.card),
        "registration access token of another client": rat(another),
        "invitation": await scene.server.invitation(),
        "access token": scene.sealed,
        "signed access token": scene.signed,
        "client_id": str(scene.card["client_id"]),
    }
    living = {belongs, "signed access token"} if place == "access token" else {belongs}

    for name, text in credentials.items():
        if name not in living:
            assert await present(scene, text) == no, (name, place)


@meets("X-38", "M-33")
async def test_what_was_rotated_away_is_good_nowhere(scene: Scene) -> None:
    victim = await scene.server.machine("orders:read")
    access = (await scene.server.token(victim, resource=OTHER)).json["access_token"]
    await rotate(scene.server.ports, victim["client_id"], "op", at_once=True)

    outcomes = [
        (await scene.server.read(victim)).no,
        (await scene.server.token(victim)).no,
        (await scene.server.introspect(scene.card, access)).json,
    ]

    assert outcomes == [(401, "invalid_token"), (401, "invalid_client"), DEAD]


@meets("X-59")
async def test_handles_of_the_same_keyring_under_another_issuer_are_nothing(scene: Scene) -> None:
    with changed(scene.server, issuer="https://second.example"):
        assert (await scene.server.read(scene.card)).no == (401, "invalid_token")
        assert (await scene.server.token(scene.card)).no == (401, "invalid_client")
