"""Authlib on Flask with Flask-SQLAlchemy, as its documentation sets it up, behind gunicorn: ``server.py PORT FOLDER``.

SQLite in WAL mode at ``synchronous=FULL``; one process, sixteen threads with a connection each. Whoever comes is Alice and says yes.
"""

import secrets
import sys
import time
from urllib.parse import urlsplit

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.sqla_oauth2 import (
    OAuth2AuthorizationCodeMixin,
    OAuth2ClientMixin,
    OAuth2TokenMixin,
    create_query_client_func,
    create_save_token_func,
)
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7592 import ClientConfigurationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask, jsonify
from flask_sqlalchemy import SQLAlchemy
from gunicorn.app.base import BaseApplication
from sqlalchemy import event

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
ISSUER = f"http://127.0.0.1:{PORT}"
METHODS = ["client_secret_basic", "client_secret_post", "none"]
METADATA = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "registration_endpoint": f"{ISSUER}/register",
    "introspection_endpoint": f"{ISSUER}/introspect",
    "scopes_supported": ["openid", "profile", "email", "jobs"],
    "response_types_supported": ["code"],
    "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
    "token_endpoint_auth_methods_supported": METHODS,
    "code_challenge_methods_supported": ["S256"],
}

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{FOLDER}/authlib.sqlite3"
app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": 30}, "pool_size": 16}
app.config["OAUTH2_REFRESH_TOKEN_GENERATOR"] = True
db = SQLAlchemy(app)


class Client(db.Model, OAuth2ClientMixin):
    """A row with the card as JSON."""

    id = db.Column(db.Integer, primary_key=True)
    registration_token = db.Column(db.String(64), index=True)

    def check_client(self, client: "Client") -> bool:
        """As a registration access token: whose it is."""
        return self.id == client.id


class Code(db.Model, OAuth2AuthorizationCodeMixin):
    """A code that waits."""

    id = db.Column(db.Integer, primary_key=True)
    user_id = db.Column(db.Integer)


class Token(db.Model, OAuth2TokenMixin):
    """An access token and its refresh token."""

    id = db.Column(db.Integer, primary_key=True)
    user_id = db.Column(db.Integer)


class Alice:
    """The only person."""

    id = 1

    def get_user_id(self) -> int:
        """Hers."""
        return self.id


class AuthorizationCode(grants.AuthorizationCodeGrant):
    """With PKCE."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code, request):
        """A row."""
        payload, data = request.payload, request.payload.data
        db.session.add(
            Code(
                code=code,
                client_id=request.client.client_id,
                redirect_uri=payload.redirect_uri,
                scope=payload.scope,
                user_id=request.user.id,
                code_challenge=data.get("code_challenge"),
                code_challenge_method=data.get("code_challenge_method"),
            )
        )
        db.session.commit()

    def query_authorization_code(self, code, client):
        """While it is good."""
        found = Code.query.filter_by(code=code, client_id=client.client_id).first()
        return found if found and not found.is_expired() else None

    def delete_authorization_code(self, authorization_code):
        """Once only."""
        db.session.delete(authorization_code)
        db.session.commit()

    def authenticate_user(self, authorization_code):
        """Alice."""
        return Alice()


class Refresh(grants.RefreshTokenGrant):
    """Each refresh token once."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        """While it is good."""
        found = Token.query.filter_by(refresh_token=refresh_token).first()
        return found if found and not found.is_revoked() else None

    def authenticate_user(self, credential):
        """Alice."""
        return Alice()

    def revoke_old_credential(self, credential):
        """The pair is over."""
        credential.access_token_revoked_at = credential.refresh_token_revoked_at = int(time.time())
        db.session.add(credential)
        db.session.commit()


class Registration(ClientRegistrationEndpoint):
    """Open to everybody."""

    def authenticate_token(self, request):
        """Nobody has to be known."""
        return True

    def save_client(self, client_info, client_metadata, request):
        """A row."""
        client = Client(registration_token=secrets.token_urlsafe(32), **client_info)
        client.set_client_metadata(client_metadata)
        db.session.add(client)
        db.session.commit()
        return client

    def generate_client_registration_info(self, client, request):
        """RFC 7592."""
        return where(client)

    def get_server_metadata(self):
        """For its checks."""
        return METADATA


class Configuration(ClientConfigurationEndpoint):
    """By the registration access token."""

    def authenticate_token(self, request):
        """The row with this token."""
        return Client.query.filter_by(registration_token=request.headers.get("Authorization", "").removeprefix("Bearer ")).first()

    def authenticate_client(self, request):
        """The row of the path."""
        return Client.query.filter_by(client_id=urlsplit(request.uri).path.rsplit("/", 1)[-1]).first()

    def revoke_access_token(self, request, token):
        """There is none without a client."""

    def check_permission(self, client, request):
        """Always."""
        return True

    def delete_client(self, client, request):
        """The row goes."""
        db.session.delete(client)
        db.session.commit()

    def update_client(self, client, client_metadata, request):
        """What is left out goes too."""
        client.set_client_metadata(client_metadata)
        db.session.commit()
        return client

    def generate_client_registration_info(self, client, request):
        """RFC 7592."""
        return where(client)

    def get_server_metadata(self):
        """For its checks."""
        return METADATA


class Introspection(IntrospectionEndpoint):
    """For every client."""

    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token_string, token_type_hint):
        """An access token."""
        return Token.query.filter_by(access_token=token_string).first()

    def check_permission(self, token, client, request):
        """Always."""
        return True

    def introspect_token(self, token):
        """What is known."""
        return {"active": True, "client_id": token.client_id, "scope": token.scope, "exp": token.issued_at + token.expires_in}


def where(client: Client) -> dict[str, str]:
    """How the client manages itself."""
    return {
        "registration_client_uri": f"{ISSUER}/register/{client.client_id}",
        "registration_access_token": client.registration_token,
    }


class Machine(grants.ClientCredentialsGrant):
    """By itself."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


server = AuthorizationServer(
    app, query_client=create_query_client_func(db.session, Client), save_token=create_save_token_func(db.session, Token)
)
server.register_grant(AuthorizationCode, [CodeChallenge(required=True)])
server.register_grant(Refresh)
server.register_grant(Machine)
server.register_endpoint(Registration)
server.register_endpoint(Configuration)
server.register_endpoint(Introspection)


@app.post("/register")
def register():
    """RFC 7591."""
    return server.create_endpoint_response(Registration.ENDPOINT_NAME)


@app.route("/register/<name>", methods=["GET", "PUT", "DELETE"])
def manage(name):
    """RFC 7592."""
    return server.create_endpoint_response(Configuration.ENDPOINT_NAME)


@app.get("/authorize")
def authorize():
    """Alice says yes."""
    grant = server.get_consent_grant(end_user=Alice())
    return server.create_authorization_response(grant_user=Alice(), grant=grant)


@app.post("/token")
def token():
    """RFC 6749."""
    return server.create_token_response()


@app.post("/introspect")
def introspect():
    """RFC 7662."""
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME)


@app.get("/.well-known/oauth-authorization-server")
def metadata():
    """RFC 8414."""
    return jsonify(METADATA)


def _durable(connection, record):
    """What is acknowledged is on the disk."""
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


class Gunicorn(BaseApplication):
    """One worker."""

    def load_config(self):
        """Sixteen threads, as many as there are connections."""
        said = {"bind": f"127.0.0.1:{PORT}", "workers": 1, "threads": 16, "worker_class": "gthread", "keepalive": 75, "timeout": 120}
        for name, value in {**said, "loglevel": "error"}.items():
            self.cfg.set(name, value)

    def load(self):
        """This."""
        return app


if __name__ == "__main__":
    with app.app_context():
        event.listen(db.engine, "connect", _durable)
        db.create_all()
    Gunicorn().run()
