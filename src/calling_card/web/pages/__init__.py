"""The pages that people see: templates, style and messages (DESIGN, "People")."""
