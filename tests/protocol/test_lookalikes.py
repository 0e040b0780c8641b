"""Hosts and names that are easily taken for those of others, and hosts in their own letters (X-46, X-50, X-51, Unicode TR 39 §4)."""

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from calling_card.protocol.abroad import lookalikes
from calling_card.protocol.abroad.addresses import host_of, host_problem
from calling_card.protocol.abroad.lookalikes import VENDORS, belongs, likeness, namesake, skeleton, written
from calling_card.protocol.card.wording import suspicions
from calling_card.protocol.clients import Route
from calling_card.protocol.persons.portrait import portrait
from tests.ledger import meets
from tests.protocol.macs import a_client

CLIENTS = Path(__file__).parents[1] / "clients"
OURS = sorted({host for vendor in VENDORS for host in (*vendor.hosts, *vendor.lent)})


def in_a_labels(host: str) -> str:
    """A host as DNS has it."""
    return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in host.split("."))


# ── Hosts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-46", "X-51")
@pytest.mark.parametrize(
    "host, known",
    [
        ("xn--pple-43d.com", "apple.com"),
        ("xn--80ak6aa92e.com", "apple.com"),
        ("cla1de.ai", "claude.ai"),
        ("c1aude.ai", "claude.ai"),
        ("ciaude.ai", "claude.ai"),
        ("g1thub.com", "github.com"),
        ("g00gle.com", "google.com"),
        ("opena1.com", "openai.com"),
        ("rnicrosoft.com", "microsoft.com"),
        ("arnazon.com", "amazon.com"),
        ("vvindsurf.com", "windsurf.com"),
        ("oauth.cl4ude.example", "claude.ai"),
        ("c1aude-login.example", "claude.ai"),
        ("chatgpt.com.evil.example", "chatgpt.com"),
        ("chatgpt.com-evil.example", "chatgpt.com"),
        ("login-chatgpt.com.evil.example", "chatgpt.com"),
        ("claude.ai.evil.example", "claude.ai"),
        ("openai-login.com", "openai.com"),
        ("claude-login.com", "claude.ai"),
        ("login-cursor.com.au", "cursor.com"),
        ("chat-gpt.com", "chatgpt.com"),
        ("chatgpt.app", "chatgpt.com"),
        ("github.co.uk", "github.com"),
        (in_a_labels("clàude.ai"), "claude.ai"),
        (in_a_labels("ɡoogle.example"), "google.com"),
        (in_a_labels("clаude.ai"), "claude.ai"),
        (in_a_labels("login.аррӏе.example"), "apple.com"),
        (in_a_labels("slаck.com"), "slack.com"),
    ],
)
def test_a_host_that_poses_as_a_known_one_is_found(host: str, known: str) -> None:
    assert likeness(host) == known
    assert written(host) == ""


@meets("X-46")
@pytest.mark.parametrize("host", [*OURS, *(f"www.{host}" for host in OURS), "insiders.vscode.dev", "global.consent.azure-apim.net"])
def test_the_known_hosts_and_what_is_below_them_are_never_suspected(host: str) -> None:
    assert likeness(host) == ""
    assert host_problem(host) == ""


@pytest.mark.parametrize(
    "host",
    [
        "app.example",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "",
        "clause.ai",
        "cloud.ai",
        "claude.example",
        "jean-claude.example",
        "claude.monet.example",
        "curso.com",
        "precursor.example",
        "pineapple.example",
        "apple-pie.example",
        "apples.example",
        "google.de",
        "google.com.br",
        "github.corp.example",
        "slack.corp.example",
        "github-login.corp.example",
        "notion-of-time.example",
        "z3d.example",
        "1234567.example",
        "a1b2c.example",
        "goose-docs.example",
        "evil.github.io",
        "xn--",
        "xn--mnchen-3ya.example",
    ],
)
def test_a_host_of_its_own_is_not_suspected(host: str) -> None:
    assert likeness(host) == ""


@meets("X-46")
@pytest.mark.parametrize("file", sorted(CLIENTS.glob("*.json")), ids=lambda file: file.stem)
def test_no_client_that_is_really_out_there_is_doubted(file: Path) -> None:
    said = json.loads(file.read_text(encoding="utf-8"))
    said = said.get("body", said)

    for uri in said.get("redirect_uris", [""]):
        assert portrait(a_client(), {"client_name": said.get("client_name", "")}, uri, ()).doubts == (), uri


@pytest.mark.parametrize(
    "client_id, name",
    [
        ("https://claude.ai/oauth/claude-code-client-metadata", "Claude Code"),
        ("https://claude.ai/oauth/mcp-oauth-client-metadata", "Claude"),
        ("https://chatgpt.com/oauth/codex/client.json", "Codex"),
        ("https://vscode.dev/oauth/client-metadata.json", "Visual Studio Code"),
        ("https://goose-docs.ai/oauth/client-metadata.json", "goose"),
    ],
)
def test_no_address_that_is_really_out_there_is_doubted(client_id: str, name: str) -> None:
    client = structs.replace(a_client(client_id), route=Route.CIMD)

    assert portrait(client, {"client_name": name}, "http://127.0.0.1:1234/callback", ()).doubts == ()
    assert namesake(name, "app.example") == namesake(name.upper(), "app.example") == namesake(name, "") != ""
    assert belongs(host_of(client_id), [namesake(name, "app.example")])


def test_whatever_belongs_to_a_domain_is_it_or_below_it() -> None:
    assert belongs("claude.ai", ["claude.ai"])
    assert belongs("a.b.claude.ai", ["other.example", "claude.ai"])
    assert not belongs("my-claude.ai", ["claude.ai"])
    assert not belongs("claude.ai.example", ["claude.ai"])


def test_the_table_is_in_order() -> None:
    for vendor in VENDORS:
        assert set(vendor.coined) <= {host.partition(".")[0] for host in vendor.hosts}
        assert all(host_problem(host) == "" and host == host.lower() for host in (*vendor.hosts, *vendor.lent))
        assert not set(vendor.hosts) & set(vendor.lent)
        assert all(namesake(name, vendor.hosts[0]) == "" != namesake(name, "app.example") for name in vendor.names)


def test_letters_that_look_alike_are_letters_and_stand_for_one_of_ours() -> None:
    tables = [getattr(lookalikes, name) for name in ("_TWINS", "_NEAR", "_CAPITALS")]
    every = [letter for table in tables for letter in table]

    assert len(every) == len(set(every))
    assert all(letter > 127 and unicodedata.category(chr(letter))[0] == "L" for letter in every)
    assert {one for table in tables for one in table.values()} <= set("abcdefghijklmnopqrstuvwxyz")


@given(st.text(max_size=30) | st.text("xn-aé0.", max_size=30).map("xn--".__add__))
def test_every_text_gets_an_answer(text: str) -> None:
    assert likeness(text) in {"", *OURS}
    assert written(text).isascii() <= (written(text) == "")
    assert namesake(text, text) in {"", *OURS}


def test_texts_that_are_mistaken_for_each_other_have_one_skeleton() -> None:
    assert skeleton("Pay1") != skeleton("Payl") == skeleton("РауІ") == skeleton("Páyi")
    assert skeleton("modern") == skeleton("rnodem")


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@meets("X-46", "X-50")
@pytest.mark.parametrize(
    "name, known",
    [
        ("Claude", "claude.ai"),
        ("CLAUDE", "claude.ai"),
        ("Claude Desktop", "claude.ai"),
        ("Claude (official)", "claude.ai"),
        ("Claude 4.5", "claude.ai"),
        ("claude.ai", "claude.ai"),
        ("CIaude", "claude.ai"),
        ("Cl4ude", "claude.ai"),
        ("Clаude", "claude.ai"),
        ("Ｃｌａｕｄｅ", "claude.ai"),
        ("C l a u d e", "claude.ai"),
        ("Çlaudé", "claude.ai"),
        ("Νotion", "notion.so"),
        ("ChatGPT", "chatgpt.com"),
        ("Chat GPT App", "chatgpt.com"),
        ("Visual Studio Code - Insiders", "vscode.dev"),
        ("VSCode", "vscode.dev"),
        ("Copilot Studio", "microsoft.com"),
        ("Zed", "zed.dev"),
    ],
)
def test_the_name_of_a_known_application_from_somewhere_else_is_found(name: str, known: str) -> None:
    assert namesake(name, "app.example") == known
    assert namesake(name, known) == namesake(name, "www." + known) == ""


@pytest.mark.parametrize(
    "name", ["", " ", "App", "Code", "42", "Paper Notes", "Claude for Sheets", "Claudia", "VS", "Git Hubert", "メモ帳", "Client of GitHub"]
)
def test_a_name_of_its_own_is_nobody_elses(name: str) -> None:
    assert namesake(name, "app.example") == ""


def test_who_shares_a_name_with_others_may_have_it_too() -> None:
    assert namesake("Copilot", "github.com") == namesake("Copilot", "microsoft.com") == ""
    assert namesake("GitHub", "evil.github.io") == "github.com"


# ── Hosts in letters of their own ────────────────────────────────────────────────────────────────────────────────────


@meets("X-51")
@pytest.mark.parametrize(
    "host",
    [
        "münchen.example",
        "straße.example",
        "smørrebrød.example",
        "例え.example",
        "メモ帳.みんな",
        "佐々木.example",
        "日本ー2.example",
        "пример.example",
        "мотор.example",
        "παράδειγμα.example",
        "ελλάς.example",
        "한국.example",
        "نامه.example",
        "हिन्दी.example",
        "two-wörter.app.example",
    ],
)
def test_a_host_in_one_script_is_shown_in_it(host: str) -> None:
    assert written(in_a_labels(host)) == host


@meets("X-51")
@pytest.mark.parametrize(
    "host",
    [
        "xn--pple-43d.com",
        in_a_labels("аррӏе.example"),
        in_a_labels("ѕсоре.example"),
        in_a_labels("日本語abc.example"),
        in_a_labels("пaypal.example"),
        in_a_labels("αbc.example"),
        in_a_labels("😀.example"),
        in_a_labels("ＡＢ.example"),
        in_a_labels("MÜnchen.example"),
        in_a_labels("mu\u0308nchen.example"),
        in_a_labels("ab\u00adc.example"),
        in_a_labels("نا\u200cمه.example"),
        in_a_labels("a\u2044b.example"),
        in_a_labels("example\u3002com.example"),
        in_a_labels("ɑpp.example"),
        "xn--abc-.example",
        "xn--\ud800",
        "xn--999999b.example",
        "xn--",
        "xn--r8jz45g..example",
    ],
)
def test_a_host_that_could_deceive_is_shown_in_a_labels_alone(host: str) -> None:
    assert written(host) == ""


@pytest.mark.parametrize("host", ["app.example", "münchen.example", "", "127.0.0.1", "[::1]"])
def test_a_host_without_a_label_has_no_other_letters(host: str) -> None:
    assert written(host) == ""


def test_a_japanese_name_with_a_mark_of_repetition_mixes_no_scripts() -> None:
    assert suspicions("佐々木メモ", "") == []
    assert suspicions("佐々木а", "") != []
