"""The browsers on the account page have the names that people know them by."""

import pytest

from calling_card.web.pages.agents import known_as

GECKO = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
MOBILE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    "agent,name",
    [
        (GECKO, "Firefox · Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome · Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge · Windows"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Chrome/142.0.0.0 Safari/537.36 OPR/126.0", "Opera · Mac"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {MOBILE} Version/18.0 Safari/605.1.15", "Safari · Mac"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) {MOBILE} CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome · iPhone"),
        (f"Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) {MOBILE} FxiOS/145.0 Mobile/15E148 Safari/605.1.15", "Firefox · iPad"),
        (
            f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36",
            "Samsung Internet · Android",
        ),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome · ChromeOS"),
        ("Mozilla/5.0 (compatible; Something/1.0)", "Mozilla/5.0 (compatible; Something/1.0)"),
        ("Mozilla/5.0 (Windows NT 10.0) Something", "Windows"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("My Linux laptop", "My Linux laptop"),
        ("", ""),
    ],
)
def test_a_browser_has_its_usual_name_and_any_other_text_stays(agent: str, name: str) -> None:
    assert known_as(agent) == name


def test_what_the_account_keeps_of_a_long_name_is_enough() -> None:
    agent = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36"

    assert known_as(agent[:120]) == "Chrome · Windows"
