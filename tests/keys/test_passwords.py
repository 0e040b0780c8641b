"""Passwords: argon2id in threads of its own, and the same work whoever is asked about (RFC 9106, NIST SP 800-63B)."""

import asyncio
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator

import argon2
import pytest
from argon2.exceptions import VerifyMismatchError
from hypothesis import given
from hypothesis import strategies as st

from calling_card.keys import passwords as module
from calling_card.keys.passwords import ArgonPasswords, prepared
from calling_card.ports import Busy

RIGHT = "correct horse battery staple"
OURS = "$argon2id$v=19$m=19456,t=2,p=1$"


@pytest.fixture
def passwords() -> Iterator[ArgonPasswords]:
    made = ArgonPasswords(secrets.token_bytes)
    yield made
    made.close()


# ── Right and wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_password_that_was_hashed_fits_and_no_other(passwords: ArgonPasswords) -> None:
    kept = await passwords.hash(RIGHT)

    assert await passwords.fits(kept, RIGHT)
    assert not await passwords.fits(kept, RIGHT + " ")
    assert not await passwords.fits(kept, RIGHT.upper())
    assert not await passwords.fits(kept, "")


async def test_a_hash_is_made_with_our_parameters_and_salted(passwords: ArgonPasswords) -> None:
    first, second = await passwords.hash(RIGHT), await passwords.hash(RIGHT)

    assert first.startswith(OURS)
    assert first != second
    assert RIGHT not in first
    assert argon2.extract_parameters(first) == argon2.Parameters(argon2.Type.ID, 19, 16, 32, 2, 19456, 1)


async def test_another_implementation_takes_the_hash(passwords: ArgonPasswords) -> None:
    kept = await passwords.hash(RIGHT)

    assert argon2.PasswordHasher().verify(kept, RIGHT)


async def test_a_hash_from_elsewhere_is_taken_with_its_own_parameters(passwords: ArgonPasswords) -> None:
    kept = argon2.PasswordHasher(1, 64, 2).hash(RIGHT)

    assert await passwords.fits(kept, RIGHT)
    assert not await passwords.fits(kept, "wrong")


NO_HASHES = [
    "",
    "x",
    "$",
    "$argon2id$",
    "$argon2id$v=19$m=19456,t=2,p=1$",
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$",
    "$argon2id$v=19$m=99999999999999999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$argon2id$v=19$m=19456,t=0,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "$2b$12$abcdefghijklmnopqrstuv",
    "é" * 40,
    "\ud800",
    "\0",
]


@pytest.mark.parametrize("kept", NO_HASHES, ids=ascii)
async def test_what_is_no_hash_fits_nothing(passwords: ArgonPasswords, kept: str) -> None:
    for tried in (RIGHT, "", kept):
        assert not await passwords.fits(kept, tried)


async def test_a_known_name_an_unknown_one_and_a_damaged_hash_cost_one_comparison_each(
    passwords: ArgonPasswords, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[argon2.Parameters] = []
    verify = argon2.PasswordHasher.verify

    def counted(self: argon2.PasswordHasher, kept: str, password: bytes) -> bool:
        try:
            found = verify(self, kept, password)
        except VerifyMismatchError:
            compared.append(argon2.extract_parameters(kept))
            raise
        compared.append(argon2.extract_parameters(kept))
        return found

    kept = await passwords.hash(RIGHT)
    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)

    for asked in (kept, "", NO_HASHES[5], "é"):
        for tried in (RIGHT, "wrong"):
            compared.clear()
            await passwords.fits(asked, tried)
            assert compared == [argon2.extract_parameters(kept)]


# ── One password, many keyboards ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "one, other",
    [
        ("ma\u00f1ana", "man\u0303ana"),
        ("パスワード", "ハ\u309aスワート\u3099"),
        ("a b", "a\u3000b"),
        ("a b", "a\u00a0b"),
        ("한글", "\u1112\u1161\u11ab\u1100\u1173\u11af"),
    ],
)
def test_a_password_is_the_same_from_every_keyboard(one: str, other: str) -> None:
    assert one != other
    assert prepared(one) == prepared(other)


@pytest.mark.parametrize("one, other", [("½", "1/2"), ("ﬁ", "fi"), ("１", "1"), ("a", "A"), ("a", " a"), ("a", "a\t"), ("a", "а")])
def test_different_letters_stay_different(one: str, other: str) -> None:
    assert prepared(one) != prepared(other)


@given(st.text(st.characters()))
def test_every_text_can_be_prepared_and_preparing_again_changes_nothing(password: str) -> None:
    once = prepared(password)

    assert prepared(once.decode("utf-8", "surrogatepass")) == once


async def test_halves_of_surrogate_pairs_and_zeros_are_letters_like_others(passwords: ArgonPasswords) -> None:
    kept = await passwords.hash("\ud800\0end")

    assert await passwords.fits(kept, "\ud800\0end")
    assert not await passwords.fits(kept, "\ud800\0other")


# ── Outdated ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SALTED = "$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.mark.parametrize(
    "kept, outdated",
    [
        ("$argon2id$v=19$m=19456,t=2,p=1" + SALTED, False),
        ("$argon2id$v=19$m=65536,t=3,p=4" + SALTED, False),
        ("$argon2id$v=19$m=19455,t=2,p=1" + SALTED, True),
        ("$argon2id$v=19$m=65536,t=1,p=1" + SALTED, True),
        ("$argon2i$v=19$m=65536,t=3,p=1" + SALTED, True),
        ("$argon2d$v=19$m=65536,t=3,p=1" + SALTED, True),
        ("$argon2id$v=16$m=65536,t=3,p=1" + SALTED, True),
        ("$argon2id$m=65536,t=3,p=1" + SALTED, True),
        ("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAA$" + "A" * 43, True),
        ("$argon2id$v=19$m=19456,t=2,p=1$" + "A" * 22 + "$" + "A" * 22, True),
        *((kept, False) for kept in ("", "x", "$argon2id$", "é", "$2b$12$abcdefghijklmnopqrstuv")),
    ],
    ids=ascii,
)
def test_a_hash_is_outdated_when_any_parameter_is_weaker(passwords: ArgonPasswords, kept: str, outdated: bool) -> None:
    assert passwords.outdated(kept) is outdated


# ── A few at a time ──────────────────────────────────────────────────────────────────────────────────────────────────


class Held:
    """Stands in the place of argon2 and works only when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.threads: set[str] = set()

    def __call__(self) -> "Held":
        return self

    def hash(self, password: bytes, *, salt: bytes) -> str:
        assert self.let.wait(10)
        self.threads.add(threading.current_thread().name)
        return f"{password!r} {len(salt)}"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Held:
    made = Held()
    monkeypatch.setattr(module, "_hasher", made)
    return made


async def begun(passwords: ArgonPasswords, count: int) -> list["asyncio.Task[str]"]:
    """That many hashes under way, each as far as it comes without waiting."""
    tasks = [asyncio.create_task(passwords.hash(str(number))) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_more_than_two_at_work_and_sixteen_waiting_are_turned_away_at_once(passwords: ArgonPasswords, held: Held) -> None:
    tasks = await begun(passwords, 18)

    with pytest.raises(Busy):
        await passwords.hash("one more")
    with pytest.raises(Busy):
        await passwords.fits("", "one more")

    held.let.set()
    assert await asyncio.gather(*tasks) == [f"b'{number}' 16" for number in range(18)]
    assert len(held.threads) <= 2
    assert all(name.startswith("passwords") for name in held.threads)


async def test_a_place_is_free_again_when_the_work_is_done(passwords: ArgonPasswords, held: Held) -> None:
    held.let.set()

    for _ in range(3):
        assert len(await asyncio.gather(*await begun(passwords, 18))) == 18


async def test_who_stops_waiting_gives_the_place_back(passwords: ArgonPasswords, held: Held) -> None:
    tasks = await begun(passwords, 18)
    for task in tasks[2:]:
        task.cancel()
    left = await asyncio.gather(*tasks[2:], return_exceptions=True)

    again = await begun(passwords, 16)

    held.let.set()
    assert [type(each) for each in left] == [asyncio.CancelledError] * 16
    assert len(await asyncio.gather(*tasks[:2], *again)) == 18


async def test_the_place_is_given_back_though_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = ArgonPasswords(secrets.token_bytes, threads=1, waiting=0)

    def broken() -> Held:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(module, "_hasher", broken)
        for _ in range(3):
            with pytest.raises(MemoryError):
                await passwords.hash(RIGHT)

    assert (await passwords.hash(RIGHT)).startswith(OURS)
    passwords.close()


async def test_other_work_goes_on_while_a_password_is_hashed(passwords: ArgonPasswords, held: Held) -> None:
    [task] = await begun(passwords, 1)

    for _ in range(100):
        await asyncio.sleep(0)

    assert not task.done()
    held.let.set()
    assert await task == "b'0' 16"


async def test_after_closing_everybody_is_turned_away(held: Held) -> None:
    passwords = ArgonPasswords(secrets.token_bytes, threads=1, waiting=30)
    held.let.set()
    passwords.close()

    for _ in range(40):
        with pytest.raises(Busy):
            await passwords.hash(RIGHT)


# ── Only when needed ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_of_argon2_or_webauthn_is_loaded_before_the_first_use() -> None:
    program = (
        "import secrets, sys\n"
        "from calling_card.keys.passkeys import WebPasskeys\n"
        "from calling_card.keys.passwords import ArgonPasswords\n"
        "ArgonPasswords(secrets.token_bytes), WebPasskeys('https://as.example').asked(b'c' * 32)\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'argon2', 'webauthn', 'cbor2', 'OpenSSL'}))\n"
    )

    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=30, check=True, env=here)

    assert done.stdout == "[]\n"
