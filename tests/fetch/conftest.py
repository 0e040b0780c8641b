"""The surroundings of a fetcher."""

from pathlib import Path

import pytest
import trustme

from tests.fetch.stranger import Lab


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """Whom the fetcher believes."""
    return trustme.CA()


@pytest.fixture
def lab(tmp_path: Path, ca: trustme.CA) -> Lab:
    """A fetcher and its network."""
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return Lab(ca, tmp_path / "ca.pem")
