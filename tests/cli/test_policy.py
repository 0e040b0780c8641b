"""``calling-card policy check``: sentences, or the mistake with its place; and a server that notices another file."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from calling_card import policy_file
from calling_card.cli import serving
from calling_card.jobs import policy as job
from calling_card.ports import Ports
from calling_card.protocol.policy.written import BadPolicy
from calling_card.usecases.reload import reload
from tests.cli.conftest import Operator
from tests.ledger import meets
from tests.policies import HEAD
from tests.world import World, world

RULE = '[[rule]]\nname = "no evil"\nwhen = { redirect_host = ["*.evil.example"] }\nthen = "refuse"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "policy.toml"
    made.write_text(HEAD + RULE, encoding="ascii")
    return made


@meets("A-87")
def test_a_good_policy_is_told_in_sentences(operator: Operator, file: Path) -> None:
    text = operator.people("policy", "check", str(file))
    told = operator.told("policy", "check", str(file))

    digest = policy_file.read(file).digest
    does = "refuses when a redirect host is *.evil.example"
    assert text == f"policy  test  {digest}\nrule 1 (no evil):  {does}"
    assert told == {"name": "test", "digest": digest, "rules": [{"place": "rule 1 (no evil)", "does": does}]}


def test_without_a_name_the_file_of_the_settings_is_checked(operator: Operator, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = operator.run("policy", "check")
    monkeypatch.setenv("CALLING_CARD_POLICY_FILE", str(file))

    assert operator.people("policy", "check").startswith("policy  test")
    assert nothing.exit_code == 2
    assert "the built-in rules count alone" in nothing.stderr


@pytest.mark.parametrize(
    "written, problem",
    [
        (b'version = 1\nname = "x"\nrules = []\n', "rules: there is no such key; did you mean rule?"),
        (b"version = ", "Invalid value (at end of document)"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_a_mistake_is_named_with_file_and_place(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes, problem: str
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_bytes(written)

    assert operator.refused(2, "policy", "check", str(bad)) == f"{bad}: {problem}"
    monkeypatch.setenv("CALLING_CARD_POLICY_FILE", str(bad))
    assert operator.refused(2, "config", "check") == f"policy_file: {bad}: {problem}"


def test_a_file_that_is_not_there_is_no_policy(operator: Operator, tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"

    assert operator.refused(2, "policy", "check", str(missing)) == f"{missing}: No such file or directory"


async def test_a_file_that_goes_away_leaves_the_policy_and_is_told_once(file: Path) -> None:
    kept = policy_file.FilePolicies(file)
    before = kept.current
    file.unlink()

    with pytest.raises(BadPolicy, match="No such file"):
        await kept.look()

    assert kept.current is before
    assert await kept.look() is None


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> "asyncio.Queue[bool]":
    """The end of each look at the file, and whether another policy counts by it."""
    ends: asyncio.Queue[bool] = asyncio.Queue()

    async def looked(ports: Ports, *, anyway: bool) -> bool:
        ends.put_nowait(await reload(ports, anyway=anyway))
        return True

    monkeypatch.setattr(job, "reload", looked)
    return ends


async def told(server: World, looks: "asyncio.Queue[bool]", kind: str, count: int) -> None:
    """Look on until so many events of a kind are there."""
    async with asyncio.timeout(10):
        while len(await server.told(kind)) < count:
            await looks.get()


@meets("A-87")
async def test_a_server_reads_a_changed_file_by_itself_and_any_file_when_asked(
    tmp_path: Path, file: Path, looks: "asyncio.Queue[bool]"
) -> None:
    server = await world(tmp_path / "server", policy_file=str(file))
    asked = asyncio.Event()
    judging = asyncio.create_task(job.keep_policy(server.ports, asked, 0.01))
    try:
        await told(server, looks, "policy_loaded", 1)
        asked.set()
        await told(server, looks, "policy_loaded", 2)
        file.write_text(HEAD + RULE + RULE, encoding="ascii")
        await told(server, looks, "policy_refused", 1)
        file.write_text(HEAD, encoding="ascii")
        await told(server, looks, "policy_loaded", 3)
    finally:
        judging.cancel()

    assert server.ports.policies.current == policy_file.read(file)


async def test_whatever_goes_wrong_ends_no_watch(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await world(tmp_path / "server", policy_file=str(file))
    seen: list[bool] = []
    third = asyncio.Event()

    async def broken(ports: object, *, anyway: bool) -> bool:
        seen.append(anyway)
        if len(seen) == 3:
            third.set()
        raise OSError("gone")

    monkeypatch.setattr(job, "reload", broken)
    judging = asyncio.create_task(job.keep_policy(server.ports, asyncio.Event(), 0.001))
    await asyncio.wait_for(third.wait(), 10)
    judging.cancel()

    assert seen[:3] == [True, False, False]
    assert {"event": "policy_not_read", "level": "error", "cause": "OSError: gone"} in server.lines


async def test_sighup_has_the_policy_read_where_there_is_one(tmp_path: Path, file: Path, looks: "asyncio.Queue[bool]") -> None:
    server = await world(tmp_path / "server", policy_file=str(file))
    judging = serving._judge_by_the_newest(server.ports)  # pyright: ignore[reportPrivateUsage] - a whole server is another test's
    try:
        await told(server, looks, "policy_loaded", 1)
        os.kill(os.getpid(), signal.SIGHUP)
        await told(server, looks, "policy_loaded", 2)
    finally:
        judging.cancel()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


async def test_without_a_policy_file_nothing_is_watched(tmp_path: Path) -> None:
    server = await world(tmp_path / "server")

    judging = serving._judge_by_the_newest(server.ports)  # pyright: ignore[reportPrivateUsage] - as above

    assert not judging.done()
    judging.cancel()


# ── What it would do ─────────────────────────────────────────────────────────────────────────────────────────────────

SAID = '{"redirect_uris": ["https://login.evil.example/cb"], "scope": "openid unheard"}'


@pytest.fixture
def card(tmp_path: Path) -> Path:
    made = tmp_path / "card.json"
    made.write_text(SAID, encoding="ascii")
    return made


@meets("A-87")
def test_a_request_is_explained_step_by_step(operator: Operator, file: Path, card: Path) -> None:
    allowed = operator.people("policy", "explain", "--card", str(card))
    refused = operator.run("policy", "explain", "--card", str(card), "--file", str(file))

    digest = policy_file.read(file).digest
    assert allowed.splitlines()[:3] == [
        "anonymous  by  rfc7591  policy none",
        'metadata:  narrow  scope: "openid unheard" -> "openid";  is limited to the scopes this server knows',
        "=>  narrow",
    ]
    assert json.loads("\n".join(allowed.splitlines()[3:]))["scope"] == "openid"
    assert refused.exit_code == 1
    assert refused.stdout.splitlines()[0] == f"anonymous  by  rfc7591  policy test@{digest}"
    assert refused.stdout.splitlines()[-2:] == [
        "rule 1 (no evil):  refuse  redirect_uris: the policy of this server refuses such clients (RFC 7591 section 5)",
        "=>  refuse",
    ]


@meets("A-87")
def test_a_card_may_come_by_standard_input_and_be_answered_in_json(operator: Operator, file: Path) -> None:
    result = operator.typed(SAID, "policy", "explain", "-", "--file", str(file), "--json")

    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["outcome"], answer["card"]) == (1, "refuse", {})
    assert [step["by"] for step in answer["steps"]] == ["metadata", "rule 1 (no evil)"]


@pytest.mark.parametrize(
    "how, tier, door",
    [
        (("--as", "token"), "token", "rfc7591"),
        (("--door", "mastodon"), "anonymous", "mastodon"),
        (("--door", "scr2011", "--as", "token"), "token", "scr2011"),
    ],
)
def test_who_says_it_and_by_which_door_can_be_named(operator: Operator, card: Path, how: tuple[str, ...], tier: str, door: str) -> None:
    answer = operator.told("policy", "explain", "--card", str(card), *how)

    assert (answer["tier"], answer["door"]) == (tier, door)


@meets("A-87")
def test_an_invitation_and_a_document_say_who_comes(operator: Operator, card: Path, tmp_path: Path) -> None:
    operator.run("invite", "--label", "x")
    (row,) = operator.rows("invitation", "list")
    page = tmp_path / "document.json"
    page.write_text('{"client_id": "https://app.example/c.json", "client_name": "A", "redirect_uris": ["https://app.example/cb"]}')

    invited = operator.told("policy", "explain", "--card", str(card), "--invitation", str(row["id"]))
    published = [operator.told("policy", "explain", "--card", str(page), *how) for how in (("--as", "url"), ("--door", "cimd"))]

    assert invited["tier"] == "token"
    assert [(one["tier"], one["door"]) for one in published] == [("url", "cimd"), ("url", "cimd")]


@meets("A-87")
def test_a_client_that_is_there_is_explained(operator: Operator, file: Path) -> None:
    client = operator.inside(lambda server: server.register(redirect_uris=["https://login.evil.example/cb"]))

    allowed = operator.told("policy", "explain", client["client_id"])
    refused = operator.run("policy", "explain", client["client_id"], "--file", str(file), "--json")

    assert (allowed["outcome"], refused.exit_code) == ("allow", 1)
    assert operator.refused(1, "policy", "explain", "nobody") == "there is no client nobody"


@pytest.mark.parametrize(
    "text, how, problem",
    [
        (SAID, (), "say a CLIENT_ID, or --card FILE"),
        (SAID, ("c1", "--card", "-"), "say a CLIENT_ID, or --card FILE"),
        ("", ("-",), "the card is no JSON:"),
        ("[]", ("-",), "the card is no JSON object"),
        ("{", ("-",), "the card is no JSON:"),
        (SAID, ("c1", "--as", "token"), "--as, --door and --invitation go with a card"),
        (SAID, ("-", "--as", "vouched", "--door", "mastodon"), "nobody comes as vouched by the door mastodon"),
        (SAID, ("-", "--as", "anonymous", "--invitation", "00"), "anonymous clients bring no initial access token"),
    ],
)
def test_what_makes_no_sense_is_told(operator: Operator, text: str, how: tuple[str, ...], problem: str) -> None:
    result = operator.typed(text, "policy", "explain", *how)

    assert result.exit_code == 2
    assert problem in result.stderr


@meets("A-87")
def test_a_policy_is_tried_on_the_clients_there_are(operator: Operator, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = operator.run("policy", "diff")
    client = operator.inside(lambda server: server.register(redirect_uris=["https://login.evil.example/cb"]))

    text = operator.people("policy", "diff", "--file", str(file))
    answer = operator.told("policy", "diff", "--file", str(file))
    monkeypatch.setenv("CALLING_CARD_POLICY_FILE", str(file))
    of_settings = operator.told("policy", "diff")
    same = operator.told("policy", "diff", "--file", str(file))

    why = "redirect_uris: the policy of this server refuses such clients (RFC 7591 section 5)"
    assert nothing.exit_code == 2
    assert text.splitlines()[0] == "clients  1"
    assert f"     {client['client_id']}  {why}" in text.splitlines()
    assert answer["refused"] == {"count": 1, "samples": [{"client_id": client["client_id"], "why": why}]}
    assert (of_settings, same["unchanged"]["count"]) == (answer, 1)


def test_a_bad_policy_is_neither_explained_nor_tried(operator: Operator, tmp_path: Path, card: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("version = 2\n")

    assert operator.refused(2, "policy", "diff", "--file", str(bad)) == f"{bad}: version: must be 1"
    assert operator.refused(2, "policy", "explain", "--card", str(card), "--file", str(bad)) == f"{bad}: version: must be 1"


@meets("A-87")
def test_somebody_at_a_terminal_sees_how_far_it_is(operator: Operator, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calling_card.cli.policy.at_terminal", lambda: True)

    result = operator.run("policy", "diff", "--file", str(file))

    assert "\r0 clients" in result.stderr
