"""Who a person is, what they allow, and what they take back (OIDC Core §3.1.2, DESIGN "People")."""
