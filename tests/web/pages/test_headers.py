"""What a browser may do with a page: exactly what the page needs (CSP Level 3, RFC 9700 §4.16)."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import calling_card
from calling_card.web.pages.render import headers
from calling_card.web.pages.views import View
from tests.ledger import meets
from tests.web.pages.gallery import ACCOUNT, CONSENT, POSTED, PROBLEM, SIGN_IN, VIEWS

BARE = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action "
SCRIPT = "; script-src 'self'"
BACK = "https://notes.example:8443/cb?x=1"


def policy(view: View, goes_to: str = "") -> str:
    return dict(headers(view, goes_to))[b"content-security-policy"].decode()


@meets("A-10", "X-54")
@pytest.mark.parametrize("name", VIEWS)
def test_nobody_keeps_frames_or_learns_the_address_of_a_page(name: str) -> None:
    sent = dict(headers(VIEWS[name], BACK))

    assert sent.pop(b"content-security-policy").startswith(BARE.encode())
    assert sent == {
        b"content-type": b"text/html; charset=utf-8",
        b"cache-control": b"no-store",
        b"referrer-policy": b"no-referrer",
        b"x-frame-options": b"DENY",
        b"cross-origin-opener-policy": b"same-origin",
        b"permissions-policy": b"publickey-credentials-create=(self), publickey-credentials-get=(self)",
    }


@meets("A-10", "A-20", "X-54")
@pytest.mark.parametrize(
    "view,goes_to,targets",
    [
        (SIGN_IN, "", "'self'" + SCRIPT),
        (SIGN_IN, BACK, "'self' https:" + SCRIPT),
        (replace(SIGN_IN, passkey_options=""), BACK, "'self' https:"),
        (CONSENT, BACK, "'self' https:"),
        (CONSENT, "http://127.0.0.1:49152/cb", "'self' http://127.0.0.1:49152 https:"),
        (CONSENT, "http://[::1]:49152/cb", "'self' http: https:"),
        (CONSENT, "https://[2001:db8::1]/cb", "'self' https:"),
        (CONSENT, "https://a_b.example/cb", "'self' https:"),
        (CONSENT, "cursor://anysphere.cursor-mcp/oauth/callback", "'self' cursor: https:"),
        (CONSENT, "com.example.app:/cb", "'self' com.example.app: https:"),
        (CONSENT, "", "'self'"),
        (ACCOUNT, BACK, "'self'" + SCRIPT),
        (replace(ACCOUNT, passkey_options=""), "", "'self'"),
        (POSTED, "", "https:" + SCRIPT),
        (POSTED, BACK, "https:" + SCRIPT),
        (replace(POSTED, action="javascript:alert(1)"), "", "'none'" + SCRIPT),
        (PROBLEM, BACK, "'none'"),
        (VIEWS["signed out"], BACK, "'none'"),
        (VIEWS["leaving"], BACK, "'none'"),
        (VIEWS["onward"], BACK, "'none'"),
    ],
)
def test_forms_go_where_the_page_needs_and_scripts_run_where_it_has_one(view: View, goes_to: str, targets: str) -> None:
    assert policy(view, goes_to) == BARE + targets


@meets("X-54")
@pytest.mark.parametrize(
    "goes_to",
    [
        "https://a.example; script-src *",
        "https://a.example;script-src=*/cb",
        "https://a.example, default-src *",
        "https://a.example\r\nset-cookie: a=b",
        "https://*.example/cb",
        "https://*/cb",
        "https://user@a.example/cb",
        "https://a.example'self'/cb",
        "https:// a.example",
        "https://ä.example/cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "'unsafe-inline'",
        "*",
        "x y:z",
        "//a.example/cb",
    ],
)
def test_an_address_cannot_widen_the_policy(goes_to: str) -> None:
    rest = policy(CONSENT, goes_to).removeprefix(BARE)

    assert rest in {"'self'", "'self' https:"}


@given(st.text(max_size=60) | st.text("htps:/.*;, 'a\r\n[]@", max_size=40))
def test_whatever_the_address_the_policy_has_no_other_directive(goes_to: str) -> None:
    rest = policy(CONSENT, goes_to).removeprefix(BARE)

    assert re.fullmatch(r"'self'( [A-Za-z][A-Za-z0-9.+-]*:(//[A-Za-z0-9.-]+(:[0-9]{1,5})?)?( https:)?)?", rest)


def test_headers_do_not_load_the_template_library() -> None:
    program = "import sys; import calling_card.web.pages.render, calling_card.web.pages.assets; sys.exit('jinja2' in sys.modules)"

    source = str(Path(calling_card.__file__).parents[1])
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60, env={"PYTHONPATH": source}).returncode == 0
