"""docs/conformance.md's tables, from the table that the tests run."""

from __future__ import annotations

from tests.conformance.modules import (
    CLIENTS,
    CLIENTS_AMONG_SERVERS,
    FAPI2,
    REVISION,
    SERVER_NOT_APPLICABLE,
    SERVER_TESTS,
    Answer,
    Case,
)

TESTED, PASSED_OVER = "tested", "not applicable"


def summary() -> str:
    """How many there are of each."""
    played = sum(isinstance(answer, Case) for answer in CLIENTS.values())
    total = len(SERVER_TESTS) + len(SERVER_NOT_APPLICABLE)
    lines = [
        f"| suite revision `{REVISION}` | modules | {TESTED} | {PASSED_OVER} |",
        "|---|---|---|---|",
        f"| client modules | {len(CLIENTS)} | {played} | {len(CLIENTS) - played} |",
        _row("two more client modules, listed among the server's", CLIENTS_AMONG_SERVERS),
        f"| FAPI 2.0 server modules, for the sandbox | {total} | {len(SERVER_TESTS)} | {len(SERVER_NOT_APPLICABLE)} |",
    ]
    return "\n".join(lines)


def _row(title: str, answers: dict[str, Answer]) -> str:
    played = sum(isinstance(answer, Case) for answer in answers.values())
    return f"| {title} | {len(answers)} | {played} | {len(answers) - played} |"


def clients() -> str:
    """Every client module with its answer."""
    lines = ["| module | answer | |", "|---|---|---|"]
    for name, answer in {**CLIENTS, **CLIENTS_AMONG_SERVERS}.items():
        if isinstance(answer, Case):
            lines.append(f"| `{name}` | {TESTED} | {_capital(answer.asks)}.{_stops(answer)} |")
        else:
            lines.append(f"| `{name}` | {PASSED_OVER} | {answer.why} |")
    return "\n".join(lines)


def _stops(case: Case) -> str:
    return f" Reason: `{case.ends[1]}`." if case.ends else ""


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def servers() -> str:
    """Every server module with its answer."""
    lines = ["| module | answer | |", "|---|---|---|"]
    lines += [f"| `{FAPI2}-{name}` | {TESTED} | |" for name in SERVER_TESTS]
    lines += [f"| `{FAPI2}-{name}` | {PASSED_OVER} | {answer.why} |" for name, answer in SERVER_NOT_APPLICABLE.items()]
    return "\n".join(lines)
