"""Files that other people's programs read: npm har-validator's schema of HAR 1.2."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.connections.openid import connect, openid_world
from tests.connections.steps import begun, expired, returning, token, world_of
from tests.interop.peers import NODE, SOURCES, install
from tests.machine import node_or_skip
from tests.trace.recording import Lines, watch

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.call import call
from valetkey.errors import ValetkeyError
from valetkey.http import Request
from valetkey.trace.har import write_har

if TYPE_CHECKING:
    from pathlib import Path

ME = "http://127.0.0.1:8400/oauth2/me"


def everything() -> list[Lines]:
    """Flows of both protocols, with every kind of entry."""
    world = world_of()
    whole = watch(world)
    _ = world.connect("one")
    _ = world.connect("two")
    world.clock.time += 4000
    _ = world.run(call(world.settings, Request("GET", ME), registration="two", resource_owner="alice"))
    with pytest.raises(ValetkeyError):
        _ = world.run(finish_authorization(world.settings, Request("GET", "/oauth/callback/two?%"), resource_owner="a"))
    denied = begun(world)
    with pytest.raises(ValetkeyError):
        _ = world.run(
            finish_authorization(world.settings, returning(world, denied, decision="deny"), resource_owner="alice")
        )
    openid, network = openid_world()
    identified = watch(openid)
    _ = connect(openid, network)
    broken = [whole, identified]
    for fault in ("lose_response", "html", "status"):
        world = expired()
        broken.append(watch(world))
        world.sandbox.faults.add(endpoint="token", fault=fault)
        with pytest.raises(ValetkeyError):
            _ = world.run(token(world))
    return broken


def written(folder: Path) -> list[Path]:
    files = []
    for number, lines in enumerate(everything()):
        for trace in lines.traces():
            path = folder / f"{number}-{trace.file_name}"
            path.write_text(json.dumps(write_har(trace, version="test")))
            files.append(path)
    return files


@pytest.mark.node
def test_every_file_is_a_har_by_the_schema_of_har_validator(tmp_path: Path) -> None:
    node = node_or_skip("har-validator")
    install()
    files = written(tmp_path)
    empty = tmp_path / "empty.har"
    empty.write_text('{"log": {"entries": []}}')

    done = subprocess.run(
        [node, str(SOURCES / "har.mjs"), str(NODE), *map(str, files), str(empty)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    *problems, of_empty = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(problems) == len(files) >= 8
    assert all(found == [] for found in problems), problems
    assert of_empty != []
