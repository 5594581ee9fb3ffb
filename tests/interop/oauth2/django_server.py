"""An authorization server made of django-oauth-toolkit, in a process of its own: it takes a replaced refresh token a while longer.

    python django_server.py GRACE_SECONDS

Whoever visits it is signed in as alice and consents. A refresh token is replaced when it is used; the old one works for that many
seconds, and whoever comes with it later ends the whole grant. `/api/read` and `/api/write` want the scope of that name, `/tokens` tells
how many token requests were answered. The first line on standard output is its base URL, in JSON. It ends when its standard input does.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path

if TYPE_CHECKING:
    from collections.abc import Callable

USERNAME, PASSWORD = "alice", "pass wörd+%&="
urlpatterns: list[Any] = []
answered = {"tokens": 0}


def signed_in(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware: whose browser it is, without a page that asks."""

    def respond(request: HttpRequest) -> HttpResponse:
        from django.contrib.auth.models import User

        if request.path == "/o/authorize/":
            request.user = User.objects.get(username=USERNAME)
        response = answer(request)
        if request.path == "/o/token/" and response.status_code == 200:
            answered["tokens"] += 1
        return response

    return respond


def configure(folder: str, grace_seconds: int) -> None:
    settings.configure(
        SECRET_KEY="a key for a provider that lives for one test run",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(folder) / "db.sqlite3")}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
        MIDDLEWARE=[f"{__name__}.signed_in"],
        OAUTH2_PROVIDER={
            "SCOPES": {"read": "Read", "write": "Write"},
            "PKCE_REQUIRED": True,
            "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
            "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": grace_seconds,
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
        },
    )
    django.setup()


def register() -> None:
    """alice, and a client for each grant that the toolkit ties a client to."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    User.objects.create_user(USERNAME, password=PASSWORD)
    for name, grant in (("web", "authorization-code"), ("old", "password")):
        Application.objects.create(
            name=name,
            client_id=name,
            client_secret=f"{name}-secret",
            client_type="confidential",
            authorization_grant_type=grant,
            redirect_uris=f"https://app.example/oauth/callback/{name}",
            skip_authorization=True,
        )


def api(scope: str) -> Callable[[HttpRequest], HttpResponse]:
    from oauth2_provider.decorators import protected_resource

    def whose(request: HttpRequest) -> HttpResponse:
        return JsonResponse({"whose": request.resource_owner.username})

    made: Callable[[HttpRequest], HttpResponse] = protected_resource(scopes=[scope])(whose)
    return made


class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        configure(folder, int(sys.argv[1]))
        from django.core.handlers.wsgi import WSGIHandler

        register()
        urlpatterns.extend(
            (
                path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
                path("api/read", api("read")),
                path("api/write", api("write")),
                path("tokens", lambda _: JsonResponse(answered)),
            )
        )
        server = make_server("127.0.0.1", 0, WSGIHandler(), Threaded, Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(json.dumps(f"http://127.0.0.1:{server.server_port}"), flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
