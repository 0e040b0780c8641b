"""The only code that talks to strangers (DESIGN, "Outbound requests")."""
