"""`valetkey serve`: what names a handler, and a handler behind the local gateway."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from valetkey.cli.serve import find_handler
from valetkey.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("named", ["connect", "connect:", ":handler", "connect:not-a-name"])
def test_what_names_no_handler_is_answered_with_the_form_to_write(named: str) -> None:
    with pytest.raises(ConfigurationError, match="module:name"):
        find_handler(named)


def test_a_module_that_is_not_here_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"folder that holds nowhere_to_be_found\.py"):
        find_handler("nowhere_to_be_found:handler")


def test_a_module_without_that_function_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no function 'handler'"):
        find_handler("string:handler")


def test_a_handler_answers_over_http(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "def handler(event, context):\n"
        "    return {'statusCode': 200, 'body': event['rawPath'] + ' ' + event['version']}\n"
    )
    command = [sys.executable, "-m", "valetkey.cli", "serve", "app:handler", "--port", "0", "--json"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if '"url"' in line)
        url = line.split('"url": "')[1].split('"')[0]

        with urllib.request.urlopen(f"{url}/hello", timeout=10) as answer:
            assert answer.read() == b"/hello 2.0"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
