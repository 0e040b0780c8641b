"""django-oauth-toolkit with open registration behind gunicorn: ``server.py PORT FOLDER``.

SQLite in WAL mode at ``synchronous=FULL``; one process, sixteen threads. Client secrets are hashed as it comes. What needs a person
is not measured: nobody signs in.
"""

import sys

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from gunicorn.app.base import BaseApplication

PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
APPS = ("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider")

settings.configure(
    DEBUG=False,
    SECRET_KEY="a key for the benchmark",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=APPS,
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"{FOLDER}/django.sqlite3",
            "CONN_MAX_AGE": None,
            "OPTIONS": {"timeout": 30, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"},
        }
    },
    LOGGING_CONFIG=None,
    OAUTH2_PROVIDER={
        "DCR_ENABLED": True,
        "DCR_REGISTRATION_PERMISSION_CLASSES": ("oauth2_provider.dcr.AllowAllDCRPermission",),
        "SCOPES": {"openid": "", "profile": "", "email": "", "jobs": "", "introspection": ""},
        "DEFAULT_SCOPES": ["openid"],
    },
)

django.setup()
urlpatterns = [path("", include("oauth2_provider.urls"))]


class Gunicorn(BaseApplication):
    """One worker."""

    def load_config(self):
        """Sixteen threads, as many as there are connections."""
        said = {"bind": f"127.0.0.1:{PORT}", "workers": 1, "threads": 16, "worker_class": "gthread", "keepalive": 75, "timeout": 120}
        for name, value in {**said, "loglevel": "error"}.items():
            self.cfg.set(name, value)

    def load(self):
        """Django."""
        return get_wsgi_application()


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    Gunicorn().run()
