"""A request to the API with Authlib, as its documentation says: the session refreshes, and update_token saves.

authlib_program.py DATABASE BASE_URL
"""

from __future__ import annotations

import sys

from authlib.integrations.requests_client import OAuth2Session
from saved import Saved, run

DATABASE, BASE_URL = sys.argv[1:]
SAVED = Saved(DATABASE)


def update_token(
    token: dict[str, object],
    refresh_token: str | None = None,  # noqa: ARG001 - Authlib passes the one that was spent
    access_token: str | None = None,  # noqa: ARG001 - and this one to other grants
) -> None:
    SAVED.save(token)


def call() -> str:
    session = OAuth2Session(
        "client-two",
        "secret-of-two",
        token=SAVED.load(),
        token_endpoint=f"{BASE_URL}/oauth2/token",
        update_token=update_token,
    )
    with session:
        answer = session.get(f"{BASE_URL}/oauth2/me")
    return "ok" if answer.status_code == 200 else f"status {answer.status_code}"


if __name__ == "__main__":
    run(call)
