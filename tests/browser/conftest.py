"""A Chromium for each file of tests, and a deployment and a person for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.browser.chromium import chromium_running
from tests.browser.deployment import Deployment
from tests.browser.person import Person

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_running() as browser:
        yield browser


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(tmp_path) as running:
        yield running


@pytest.fixture
def person(chromium: Browser, deployment: Deployment) -> Iterator[Person]:
    """Alice, who is signed in to the application."""
    with Person(chromium, deployment) as alice:
        yield alice
