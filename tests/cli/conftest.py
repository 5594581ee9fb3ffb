"""A deployment as the demonstration makes it: its environment is what operators' commands are run with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from valetkey.cli.demo.deployment import Deployment
from valetkey.cli.demo.narration import Narrator
from valetkey.cli.demo.steps import connect_oauth1, connect_oauth2

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    """With alice connected by both protocols."""
    with Deployment(port=0, sandbox_port=0) as running:
        running.lengthen_lives()
        narrator = Narrator(2, silent=True)
        connect_oauth1(running, narrator)
        connect_oauth2(running, narrator)
        yield running
