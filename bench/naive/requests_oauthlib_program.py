"""A request to the API with requests-oauthlib, as its documentation says: auto_refresh_url and token_updater.

requests_oauthlib_program.py DATABASE BASE_URL
"""

from __future__ import annotations

import sys

from requests_oauthlib import OAuth2Session
from saved import Saved, run

DATABASE, BASE_URL = sys.argv[1:]
SAVED = Saved(DATABASE)


def token_saver(token: dict[str, object]) -> None:
    SAVED.save(token)


def call() -> str:
    session = OAuth2Session(
        "client-two",
        token=SAVED.load(),
        auto_refresh_url=f"{BASE_URL}/oauth2/token",
        auto_refresh_kwargs={"client_id": "client-two", "client_secret": "secret-of-two"},
        token_updater=token_saver,
    )
    with session:
        answer = session.get(f"{BASE_URL}/oauth2/me")
    return "ok" if answer.status_code == 200 else f"status {answer.status_code}"


if __name__ == "__main__":
    run(call)
