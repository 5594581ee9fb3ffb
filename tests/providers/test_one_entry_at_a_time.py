"""A cold start pays for the entries that it uses, however many there are."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, sys

opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from valetkey.providers.catalog import load_provider

load_provider("github")
entries = [path for path in opened if path.endswith((".toml", ".json"))]
print(json.dumps([entries, "tomllib" in sys.modules]))
"""


def test_an_entry_is_read_alone_and_not_as_toml() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    entries, toml = json.loads(ran.stdout)

    assert [path.rpartition("/")[2] for path in entries] == ["github.json"]
    assert not toml
