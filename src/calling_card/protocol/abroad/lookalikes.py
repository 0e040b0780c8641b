"""Who poses as somebody: hosts and names that are easily taken for those of known applications (Unicode TR 39 §4, X-46, X-51).

A finding is a reason to warn, never to refuse: nobody can tell a thief from a namesake by the name.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from calling_card.protocol.card.wording import hidden_problem, mixes


@dataclass(frozen=True, slots=True)
class Vendor:
    """Somebody whose applications people know."""

    hosts: tuple[str, ...]
    """Domains; the first one is what they are known by."""
    names: tuple[str, ...]
    """What their applications call themselves."""
    coined: tuple[str, ...] = ()
    """First labels of ``hosts`` that are no words of any language: whoever else has them means to be taken for them."""
    lent: tuple[str, ...] = ()
    """Domains where they serve what others make."""


VENDORS = (
    Vendor(("claude.ai", "claude.com", "anthropic.com"), ("Claude", "Claude Code", "Anthropic"), ("anthropic",)),
    Vendor(("chatgpt.com", "openai.com"), ("ChatGPT", "OpenAI", "Codex"), ("chatgpt", "openai")),
    Vendor(
        ("vscode.dev", "visualstudio.com", "microsoft.com", "github.com"),
        ("Visual Studio Code", "VS Code"),
        ("vscode", "visualstudio"),
    ),
    Vendor(
        ("github.com", "githubcopilot.com", "vscode.dev", "microsoft.com"),
        ("GitHub", "GitHub Copilot", "Copilot CLI"),
        ("github", "githubcopilot"),
        ("github.io", "githubusercontent.com", "github.dev"),
    ),
    Vendor(
        ("microsoft.com", "microsoftonline.com", "azure-apim.net", "github.com", "vscode.dev"),
        ("Microsoft", "Microsoft Copilot", "Copilot", "Copilot Studio"),
        ("microsoft", "microsoftonline"),
        ("azure.com", "azurewebsites.net"),
    ),
    Vendor(("cursor.com", "cursor.sh"), ("Cursor",)),
    Vendor(("google.com",), ("Google", "Gemini", "Google Gemini"), lent=("googleapis.com", "googleusercontent.com")),
    Vendor(("apple.com", "icloud.com"), ("Apple", "iCloud"), ("icloud",)),
    Vendor(("amazon.com",), ("Amazon", "Amazon Q", "AWS"), lent=("amazonaws.com",)),
    Vendor(("goose-docs.ai",), ("Goose",)),
    Vendor(("opencode.ai",), ("opencode",)),
    Vendor(("slack.com",), ("Slack",)),
    Vendor(("notion.so", "notion.com"), ("Notion",), lent=("notion.site",)),
    Vendor(("perplexity.ai",), ("Perplexity",)),
    Vendor(("mistral.ai",), ("Mistral", "Le Chat")),
    Vendor(("windsurf.com", "codeium.com"), ("Windsurf", "Codeium"), ("codeium",)),
    Vendor(("jetbrains.com",), ("JetBrains",), ("jetbrains",)),
    Vendor(("zed.dev",), ("Zed",)),
    Vendor(("replit.com",), ("Replit",), ("replit",)),
)
"""Makers of the clients that people meet most, and those that are imitated most."""

BAIT = frozenset(
    {"account", "accounts", "app", "auth", "com", "connect", "help", "id", "login", "mcp", "oauth", "secure", "security"}
    | {"service", "services", "signin", "sso", "support", "update", "verify", "web", "ai"}
)
"""Words that turn somebody's name into the host of a trap: ``NAME-login.example``."""
FILLING = frozenset(
    {"ai", "app", "application", "beta", "cli", "client", "code", "connector", "desktop", "inc", "insiders"}
    | {"mcp", "mobile", "official", "plugin", "pro", "web"}
)
"""Words behind a name that do not make it another one."""

_SHORTEST = 5
"""Letters of a word that may be found under digits or in look-alike letters; shorter ones are everywhere."""
_MOST_DIGITS = 2
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "go", "gov", "ne", "net", "or", "org"})
"""Labels below which countries register names."""
_WORD = re.compile(r"\w+")


def _rows(letter: str, alike: str) -> dict[int, str]:
    return {ord(one): letter for one in alike}


_TWINS = (
    _rows("a", "аɑ")
    | _rows("b", "ƅ")
    | _rows("c", "сϲᴄ")
    | _rows("d", "ԁ")
    | _rows("e", "еҽ")
    | _rows("f", "ք")
    | _rows("g", "ɡց")
    | _rows("h", "һհ")
    | _rows("i", "іɩɪ")
    | _rows("j", "јϳյ")
    | _rows("l", "ӏ")
    | _rows("n", "ոռ")
    | _rows("o", "оοօᴏ")
    | _rows("p", "рρ")
    | _rows("q", "ԛգ")
    | _rows("r", "ᴦꭇ")
    | _rows("s", "ѕꜱ")
    | _rows("u", "սᴜ")
    | _rows("v", "ѵνᴠ")
    | _rows("w", "ԝᴡա")
    | _rows("x", "хχ")
    | _rows("y", "уүγʏ")
    | _rows("z", "ᴢ")
)
"""Letters of other alphabets, and rare ones of ours, that nobody can tell from one of the twenty-six."""
_NEAR = (
    _rows("a", "αɐ")
    | _rows("b", "вьβʙɓ")
    | _rows("d", "ɗɖđ")
    | _rows("e", "єεɛəᴇ")
    | _rows("f", "ғƒ")
    | _rows("g", "ɢɠ")
    | _rows("h", "нʜħɦ")
    | _rows("i", "ιı")
    | _rows("j", "ȷ")
    | _rows("k", "кκᴋƙ")
    | _rows("l", "łʟɫ")
    | _rows("m", "мᴍɱ")
    | _rows("n", "пηɴɲ")
    | _rows("o", "øσө")
    | _rows("p", "ᴘƥ")
    | _rows("r", "гʀɾ")
    | _rows("s", "ʂ")
    | _rows("t", "тτᴛŧ")
    | _rows("u", "υʋ")
    | _rows("w", "ω")
    | _rows("z", "ʐƶ")
)
"""Letters that pass for one of them at a glance."""
_CAPITALS = _rows("h", "Η") | _rows("n", "Ν") | _rows("y", "Υ") | _rows("z", "Ζ")
"""Greek ones that look like another letter than their small forms do."""
_PAIRS = (("rn", "m"), ("vv", "w"))


@lru_cache(maxsize=512)
def skeleton(text: str) -> str:
    """What is left when letters that look alike are one letter: equal for texts that are mistaken for each other (TR 39 §4)."""
    small = text.translate(_CAPITALS).casefold().translate(_TWINS)
    apart = unicodedata.normalize("NFKD", small).casefold()
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter)).translate(_TWINS | _NEAR)
    for pair, one in _PAIRS:
        plain = plain.replace(pair, one)
    return plain.replace("i", "l")


def _poses(text: str, word: str) -> bool:
    """Whether a text reads as the word at a glance; a digit stands for any letter."""
    seen, meant = skeleton(text), skeleton(word)
    if seen == meant:
        return True
    digits = sum(letter.isdigit() for letter in seen)
    if len(seen) != len(meant) or len(meant) < _SHORTEST or digits > _MOST_DIGITS:
        return False
    return all(one == other or one.isdigit() for one, other in zip(seen, meant, strict=True))


# ── Hosts ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def belongs(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of these domains or below one."""
    return any(host == domain or host.endswith("." + domain) for domain in domains)


@lru_cache(maxsize=256)
def likeness(host: str) -> str:
    """The domain that a host, in A-labels, is easily taken for; empty: none, or it is that one."""
    if any(belongs(host, (*vendor.hosts, *vendor.lent)) for vendor in VENDORS):
        return ""
    return next((domain for domain in _GUARDED if _is_like(host, domain)), "")


_COINED = frozenset(word for vendor in VENDORS for word in vendor.coined)
_GUARDED = tuple(
    domain
    for domain in dict.fromkeys(domain for vendor in VENDORS for domain in vendor.hosts)
    if "-" not in domain and len(domain.partition(".")[0]) >= _SHORTEST
)
"""Domains that are worth imitating; a short word or two of them are found in hosts by chance."""


def _is_like(host: str, domain: str) -> bool:
    word, labels = domain.partition(".")[0], host.split(".")
    if any(_is_disguised(label, word) for label in labels):
        return True
    return _begins_like(host, domain, word) or _is_trap(_registered(labels), word)


def _begins_like(host: str, domain: str, word: str) -> bool:
    """Whether the whole domain stands in front of another one; the same with two letters behind is usually its branch in a country."""
    _, found, behind = f".{host.replace('-', '.')}".partition(f".{domain}.")
    return found != "" and (word in _COINED or len(behind) > 2)


def _is_disguised(label: str, word: str) -> bool:
    """Whether a label has the word in other letters than its own: nobody writes like that by chance."""
    plain = _decoded(label) or label
    return any(part != word and _poses(part, word) for part in plain.split("-"))


def _is_trap(label: str, word: str) -> bool:
    """Whether a registered name is made from the word."""
    tokens = label.split("-")
    if word in _COINED and (word in tokens or "".join(tokens) == word):
        return True
    return word in tokens and not BAIT.isdisjoint(tokens)


def _registered(labels: list[str]) -> str:
    """The label that somebody chose and paid for; an estimate without the list of all registries."""
    if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL:
        return labels[-3]
    return labels[-2] if len(labels) > 1 else labels[0]


# ── Hosts in letters of their own ────────────────────────────────────────────────────────────────────────────────────


def written(host: str) -> str:
    """A host with A-labels in its own letters; empty: it has none, or they could be taken for others (RFC 5890 §4.4, X-51)."""
    if "xn--" not in host or likeness(host):
        return ""
    labels = [_decoded(label) if label.startswith("xn--") else label for label in host.split(".")]
    return ".".join(labels) if all(_is_plain(label) for label in labels) else ""


def _decoded(label: str) -> str:
    """The letters of an A-label; empty: it is none, or says in two ways what one would do."""
    if not label.startswith("xn--"):
        return ""
    try:
        plain = label[4:].encode().decode("punycode")
        again = plain.encode("punycode").decode()
    except UnicodeError:
        return ""
    return plain if again == label[4:] and not plain.isascii() else ""


def _is_plain(label: str) -> bool:
    """Whether a label is in one script, in its usual spelling, and not all in letters that look like ASCII."""
    if not label or label.isascii():
        return label != ""
    usual = unicodedata.normalize("NFKC", label).lower() == label and all(_is_letter(one) for one in label)
    posing = label.translate(_TWINS).isascii()
    return usual and not posing and not mixes(label) and not hidden_problem(label)


def _is_letter(one: str) -> bool:
    return one == "-" or unicodedata.category(one)[0] in "LM" or unicodedata.category(one) == "Nd"


# ── Names ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=256)
def namesake(name: str, host: str) -> str:
    """The domain of whoever is known by this name, if that host is not theirs; else empty (X-46)."""
    gist = _gist(name)
    known = [vendor for vendor in VENDORS if any(_poses(gist, _gist(one)) for one in vendor.names)]
    if any(belongs(host, vendor.hosts) for vendor in known):
        return ""
    return known[0].hosts[0] if known else ""


def borrows(name: str, brand: str) -> bool:
    """Whether a name has another one in it, or reads like it at a glance."""
    gist, meant = _gist(name), _gist(brand)
    return skeleton(meant) in skeleton(gist) or _poses(gist, meant)


@lru_cache(maxsize=256)
def _gist(name: str) -> str:
    """A name without spaces, signs, numbers and the words that names are padded with."""
    words = _WORD.findall(unicodedata.normalize("NFKC", name))
    left = "".join(word for word in words if word.casefold() not in FILLING and not word.isdigit())
    return left if len(left) > 2 else "".join(words)
