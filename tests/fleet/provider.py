"""The sandbox, counting refresh requests as they arrive and holding them back until somebody has been killed.

It also forgets access tokens, and holds its 401s back until so many callers wait for theirs.
"""

from __future__ import annotations

from queue import Queue
from threading import Barrier, Event, Lock
from typing import TYPE_CHECKING, Any

from valetkey.sandbox import Sandbox
from valetkey.sandbox.faults import RequestLost

if TYPE_CHECKING:
    from valetkey.http import Request, Response

PATIENCE_SECONDS = 120.0


class Held:
    """A refresh request that has arrived and is not acted upon yet."""

    def __init__(self) -> None:
        self.acts = True
        self._let_go, self.done = Event(), Event()

    def let_go(self, *, acts: bool) -> None:
        """Act upon it, or lose it; whoever sent it may be gone."""
        self.acts = acts
        self._let_go.set()
        assert self.done.wait(PATIENCE_SECONDS), "the provider never answered a held request"

    def wait(self) -> None:
        assert self._let_go.wait(PATIENCE_SECONDS), "a held request was forgotten"


class Storm(Barrier):
    """So many callers who hold a refused token. early: the refresh requests that came before the last of them was in."""

    def __init__(self, callers: int, provider: FleetProvider) -> None:
        self.early = -1
        self._provider = provider
        super().__init__(callers, action=self._look)

    def _look(self) -> None:
        self.early = self._provider.refresh_requests


class FleetProvider(Sandbox):
    """A strict provider that knows how often a refresh token was sent to it, acted upon or not."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.refresh_requests = self.open_requests = 0
        self.held: Queue[Held] = Queue()
        self._to_hold, self._counting = 0, Lock()
        self._storm: Storm | None = None

    def hold(self, requests: int) -> None:
        """Hold back so many of the next refresh requests."""
        with self._counting:
            self._to_hold = requests

    def refuse_together(self, callers: int) -> Storm:
        """Take no access token any more that was issued so far; answer 401 when so many are to be answered that."""
        self._storm = Storm(callers, self)
        self.state.access_tokens = {}
        return self._storm

    def respond(self, request: Request) -> Response:
        if request.url.endswith("/oauth2/me"):
            response = super().respond(request)
            if response.status == 401 and self._storm is not None:
                _ = self._storm.wait(PATIENCE_SECONDS)
            return response
        if not request.url.endswith("/oauth2/token") or b"grant_type=refresh_token" not in request.body:
            return super().respond(request)
        with self._counting:
            self.refresh_requests += 1
            holding = self._to_hold > 0
            self._to_hold -= holding
            self.open_requests += 1
        try:
            return self._respond_later(request) if holding else super().respond(request)
        finally:
            with self._counting:
                self.open_requests -= 1

    def _respond_later(self, request: Request) -> Response:
        held = Held()
        self.held.put(held)
        held.wait()
        try:
            if not held.acts:
                raise RequestLost
            return super().respond(request)
        finally:
            held.done.set()
