"""OIDC RP-Initiated Logout §3.1, Front-Channel Logout §2 and Back-Channel Logout §2.2."""

from calling_card.protocol.card.rules import beside_a_redirect, logout_over_https, only_with
from calling_card.protocol.members.row import Kind, Member

_ANY_WEB = ("https", "http")

ROWS = (
    Member(
        "post_logout_redirect_uris",
        Kind.CALLBACKS,
        "OIDC RP-Initiated Logout §3.1",
        "Where the browser may be sent after signing out.",
        default=[],
        limit=lambda limits: limits.redirect_uris,
    ),
    Member(
        "frontchannel_logout_uri",
        Kind.URL,
        "OIDC Front-Channel Logout §2",
        "Page that ends the client's session inside the browser.",
        schemes=_ANY_WEB,
        agrees=(logout_over_https("frontchannel_logout_uri"), beside_a_redirect),
    ),
    Member(
        "frontchannel_logout_session_required",
        Kind.FLAG,
        "OIDC Front-Channel Logout §2",
        "Whether that page is told which session ends.",
        implied="false",
        idle=only_with("frontchannel_logout_uri"),
    ),
    Member(
        "backchannel_logout_uri",
        Kind.URL,
        "OIDC Back-Channel Logout §2.2",
        "Where this server tells the client that a session ended.",
        schemes=_ANY_WEB,
        agrees=(logout_over_https("backchannel_logout_uri"),),
    ),
    Member(
        "backchannel_logout_session_required",
        Kind.FLAG,
        "OIDC Back-Channel Logout §2.2",
        "Whether the logout token must name the session.",
        implied="false",
        idle=only_with("backchannel_logout_uri"),
    ),
)
