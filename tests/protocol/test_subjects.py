"""Subjects of certificates as proxies write them (RFC 4514)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calling_card.protocol.trust.subjects import attributes, belongs
from tests.ledger import meets


@pytest.mark.parametrize(
    "subject, expected",
    [
        ("CN=a.example,O=Tea Ltd,C=GB", [("cn", "a.example"), ("o", "Tea Ltd"), ("c", "GB")]),
        ("UID=u1+OU=x, O=Tea", [("uid", "u1"), ("ou", "x"), ("o", "Tea")]),
        (r"O=Tea\, Cake \+ Co\2e,CN=\C3\A9", [("o", "Tea, Cake + Co."), ("cn", "é")]),
        ("2.5.4.97=OFBBR-org,OID.2.5.4.5=7", [("organizationidentifier", "OFBBR-org"), ("serialnumber", "7")]),
        (
            "2.5.4.97=#0c036f7267,1.2.3=#zz,1.2.4=#3003020101,1.2.5=#0c",
            [("organizationidentifier", "org"), ("1.2.3", ""), ("1.2.4", ""), ("1.2.5", "")],
        ),
        ("", []),
        ("nothing", []),
        ("CN=a,,O=b", []),
        ("O=" + "a" * 3000, []),
    ],
)
def test_a_subject_is_its_attributes(subject: str, expected: list[tuple[str, str]]) -> None:
    assert attributes(subject) == expected


@meets("R-79")
@pytest.mark.parametrize(
    "subject, fits",
    [
        ("O=org-1", True),
        ("o=org-1", True),
        ("O=PSDGB-org-1", True),
        ("O=org-2", False),
        ("O=org-1,O=org-1", False),
        ("O=other,O=org-1", False),
        ("CN=org-1", False),
        (r"CN=x\,O=org-1", False),
        ("O=a-b-org-1", False),
        ("O=", False),
        ("", False),
    ],
)
def test_one_attribute_is_the_value_alone_or_behind_a_registrys_prefix(subject: str, fits: bool) -> None:
    assert belongs(subject, "O", "org-1") is fits


def test_nobody_belongs_to_nothing() -> None:
    assert not belongs("O=", "O", "")


@given(st.text())
def test_any_text_has_attributes_or_none(subject: str) -> None:
    assert all(name == name.lower() for name, _ in attributes(subject))
