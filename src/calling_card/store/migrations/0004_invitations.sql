-- When an operator took an initial access token back; 0: nobody did.
ALTER TABLE initial_access_tokens ADD COLUMN revoked_at INTEGER NOT NULL DEFAULT 0;
