"""What the verbs of a store ask of their database, step by step; each database has a driver of its own."""

from calling_card.store.verbs.approval import Approval
from calling_card.store.verbs.clients import Clients
from calling_card.store.verbs.documents import Documents
from calling_card.store.verbs.grants import Grants
from calling_card.store.verbs.people import People
from calling_card.store.verbs.pruning import Pruning
from calling_card.store.verbs.webhooks import Webhooks


class Verbs(Approval, Clients, Documents, Grants, People, Pruning, Webhooks):
    """All of them."""
