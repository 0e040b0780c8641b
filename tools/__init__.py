"""Programs that keep the repository honest: the ledger, the generated pages, the links."""
