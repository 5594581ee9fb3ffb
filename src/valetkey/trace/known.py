"""What a deployment says openly, and what therefore may stand in a trace.

The one rule: it only grows by what the operator configured, and by the hosts that requests went to.
"""

from __future__ import annotations

from contextlib import suppress

from valetkey.http import read_form, read_url
from valetkey.trace.words import PATHS, SCOPES

MAX_HOSTS = 10_000


class Known:
    """What this deployment's configuration says openly: URLs, hosts, scopes, names of registrations and parameters."""

    def __init__(self) -> None:
        self.urls: set[str] = set()
        self.hosts: set[str] = set()
        self.scopes: set[str] = set(SCOPES)
        self.names: set[str] = set()
        self.segments: set[str] = set(PATHS)

    def add_url(self, text: str) -> None:
        """Take note of a URL."""
        try:
            url = read_url(text)
        except ValueError:
            return
        self.urls.add(text)
        self.hosts.add(url.host)
        self.segments.update(url.path.split("/"))
        self.names.update(name for name, _ in read_form(url.query))

    def add_host(self, text: str) -> None:
        """Take note of a host that a request went to: where it may go is the configuration's choice."""
        with suppress(ValueError):
            if len(self.hosts) < MAX_HOSTS:  # a resource owner may choose one, where servers are connected by their URL
                self.hosts.add(read_url(text).host)

    def says(self, text: str) -> bool:
        """Whether the configuration says it openly, so that it cannot be a secret."""
        return text in self.scopes or any(text in url for url in self.urls)
