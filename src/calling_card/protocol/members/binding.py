"""What binds requests and tokens to their client: RFC 8705, RFC 9101, RFC 9126, RFC 9396, RFC 9449, RFC 9701."""

from calling_card.protocol.card.rules import (
    certificate_uri,
    distinguished_name,
    dns_name,
    email,
    ip,
    not_both_true,
    only_with_certificates,
    only_with_tls,
    signs,
)
from calling_card.protocol.members.openid import encryption, signing_algs
from calling_card.protocol.members.row import Effect, Kind, Member

ROWS = (
    Member(
        "tls_client_certificate_bound_access_tokens",
        Kind.FLAG,
        "RFC 8705 §3.4",
        "Whether access tokens are bound to the client's certificate.",
        implied="false",
        effect=Effect.REFUSED,
    ),
    Member(
        "tls_client_auth_subject_dn",
        Kind.TEXT,
        "RFC 8705 §2.1.2",
        "Subject of the client's certificate.",
        rules=(distinguished_name,),
        idle=only_with_tls,
    ),
    Member("tls_client_auth_san_dns", Kind.TEXT, "RFC 8705 §2.1.2", "DNS name in the certificate.", rules=(dns_name,), idle=only_with_tls),
    Member(
        "tls_client_auth_san_uri", Kind.TEXT, "RFC 8705 §2.1.2", "URI in the certificate.", rules=(certificate_uri,), idle=only_with_tls
    ),
    Member("tls_client_auth_san_ip", Kind.TEXT, "RFC 8705 §2.1.2", "IP address in the certificate.", rules=(ip,), idle=only_with_tls),
    Member(
        "tls_client_auth_san_email", Kind.TEXT, "RFC 8705 §2.1.2", "E-mail address in the certificate.", rules=(email,), idle=only_with_tls
    ),
    Member(
        "use_mtls_endpoint_aliases",
        Kind.FLAG,
        "FAPI 2.0 Security Profile §5.2.2.1",
        "Whether the client uses the endpoints for certificates.",
        implied="false",
        idle=only_with_certificates,
    ),
    Member(
        "require_signed_request_object",
        Kind.FLAG,
        "RFC 9101 §10.5",
        "Whether requests without a signed request object are refused.",
        default=False,
        effect=Effect.REFUSED,
    ),
    Member(
        "require_pushed_authorization_requests",
        Kind.FLAG,
        "RFC 9126 §6",
        "Whether requests that were not pushed are refused.",
        implied="false",
        effect=Effect.REFUSED,
    ),
    Member(
        "dpop_bound_access_tokens",
        Kind.FLAG,
        "RFC 9449 §5.2",
        "Whether access tokens are bound to a key the client proves.",
        implied="false",
        agrees=(not_both_true("tls_client_certificate_bound_access_tokens"),),
        effect=Effect.REFUSED,
    ),
    Member(
        "authorization_details_types",
        Kind.CHOICES,
        "RFC 9396 §10",
        "Types of authorization details the client may use.",
        implied="none",
        served=lambda ground: ground.authorization_details_types,
    ),
    Member(
        "introspection_signed_response_alg",
        Kind.ALG,
        "RFC 9701 §6",
        "Algorithm of signed introspection answers.",
        implied="RS256 for answers that are asked for as a JWT",
        rules=(signs,),
        served=signing_algs,
    ),
    *encryption("introspection_encrypted_response", "introspection answers", "RFC 9701 §6"),
)
