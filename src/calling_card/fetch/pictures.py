"""Pictures of strangers, drawn anew (being built)."""


class PillowPictures:
    """Takes nothing yet."""

    async def clean(self, body: bytes) -> bytes | None:
        """See `Pictures.clean`."""
        return None
