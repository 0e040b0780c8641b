"""Rows, rules and decisions: pure functions and frozen dataclasses, without clock, entropy, network or database.

Here lies what every room needs; `corridor` is what every door leads to. `members` has the rows of client metadata, `card` judges what
they say, `policy` what it may become, `trust` who vouches for it; `handles` are credentials and tokens, `abroad` is what others publish,
`persons` are people and what they allow, `life` is what becomes of a client afterwards.
"""
