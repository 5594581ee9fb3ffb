"""From what fleet.py counted to the section of docs/benchmarks.md."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

HEADING = "## A fleet on one expired connection"
NAMES = {"valetkey": "valetkey", "authlib": "Authlib", "requests_oauthlib": "requests-oauthlib"}
PROVIDERS = {
    "strict": "A refresh token works once:",
    "strict_family": "A refresh token works once; used again, it ends the grant:",
}


def fleet_section(found: dict[str, Any]) -> list[str]:
    load, lines = found["load"], [HEADING, ""]
    lines += [
        f"Measured on {datetime.now(UTC):%Y-%m-%d}. {load['processes']} processes of {load['threads']} threads share one connection whose access token has expired, "
        "and all of them ask the API at once; everybody in the same three engines. The programs beside valetkey are written "
        "as the documentation of their library says (`bench/naive/`): the token is loaded, the session refreshes by its own "
        "rule, a callback saves. The provider takes "
        f"{load['answer_seconds']} s to answer. A calm round, and one in which {load['victims']} of the processes are killed "
        f"(`SIGKILL`) within {load['killing_seconds']:.0f} s of the first refresh request, the same ones at the same moments "
        "for everybody; the callers of the killed are not counted. A pair is dead where, when the access token expires once "
        "more, a single caller of a fresh process is not answered. Each row was measured once: figures of the naive programs differ from "
        "run to run by a quarter and more, and whether somebody dies with the answer in flight is chance for everybody. Where that happens to valetkey, one "
        "more request finds it out, and every caller is told that the resource owner must connect again.",
        "",
    ]
    for mode, title in PROVIDERS.items():
        lines += [title, "", *_table([row for row in found["rows"] if row["mode"] == mode]), ""]
    lines += [
        "valetkey's own fleet (`tests/fleet/run.py`) beside it: access tokens expire one after the other at a provider that "
        "ends the grant when a refresh token comes twice, and in three rounds of five or so processes are killed on purpose: "
        "the holder of the lease while the provider acts or before, bystanders, two holders in a row. Each round is checked: "
        "one refresh request for each expiry and each holder that died, and all survivors get the same token, or all are told "
        "to connect again where the pair died with its holder, which no program can save at such a provider; after that "
        "every one gets the new token.",
        "",
        *_driven(found["driven"]),
        "",
    ]
    return lines


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| store | by | round | refresh requests | `invalid_grant` | callers without a token | pair dead |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        happens = f"{row['killed']} killed" if row["killed"] else "calm"
        without = f"{row['without']} of {row['callers']}"
        figures = f"{row['refresh_requests']} | {row['invalid_grant']} | {without} | {'DEAD' if row['dead'] else 'no'}"
        lines.append(f"| {row['engine']} | {NAMES[row['program']]} | {happens} | {figures} |")
    return lines


def _driven(sums: dict[str, dict[str, int]]) -> list[str]:
    words = {
        "expiries": "expiries",
        "processes_killed": "processes killed",
        "holders_killed": "of them holders",
        "refresh_requests": "refresh requests",
        "invalid_grants": "`invalid_grant`",
        "dead_pairs": "dead pairs",
        "told_to_reconnect": "told to connect again",
        "tokens": "tokens got",
    }
    lines = [f"| store | {' | '.join(words.values())} |", "|---" * (len(words) + 1) + "|"]
    for engine, figures in sums.items():
        lines.append(f"| {engine} | {' | '.join(f'{figures[word]:,}' for word in words)} |")
    return lines
