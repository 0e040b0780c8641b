"""An OAuth 2.0 / OpenID Connect authorization server whose clients introduce themselves."""

__version__ = "0.1.0"
