-- Receivers that are told of what changes. The bookmark of each names the last event that its receiver has taken; what is sent is read
-- from the events themselves, so there is no table of messages.

CREATE TABLE webhooks (
    id BLOB NOT NULL,
    url TEXT NOT NULL,
    -- Words with single spaces between them; empty: every type.
    types TEXT NOT NULL,
    label TEXT NOT NULL,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    handle_key INTEGER NOT NULL,
    former_key INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    told_writer BLOB NOT NULL,
    told_number INTEGER NOT NULL,
    state TEXT NOT NULL,
    delivered INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failing_since INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    answer TEXT NOT NULL,
    answered_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX webhooks_key ON webhooks (id);
