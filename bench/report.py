"""From medians to tables."""

from __future__ import annotations

from collections.abc import Callable

Target = Callable[[dict[str, float]], str]

COLD = {
    "sign": "import and one signed OAuth 1.0a request",
    "authorize": "import and one authorization URL with PKCE",
    "sealed": "open the store, open a sealed connection, sign",
    "lambda": "first POST /connect through the Lambda handler",
}
WHO = {
    "plain": "plain script",
    "valetkey": "valetkey",
    "oauthlib": "oauthlib",
    "requests_oauthlib": "requests-oauthlib",
    "authlib": "Authlib (core)",
    "authlib_requests": "Authlib (requests)",
    "authlib_httpx": "Authlib (httpx)",
    "connect": "valetkey",
}
RATES = {
    "query": "sign, GET with 5 query parameters, HMAC-SHA1",
    "form": "sign, POST with 20 form parameters, non-ASCII, HMAC-SHA1",
    "rsa": "sign, GET with 5 query parameters, RSA 2048 (Authlib: RSA-SHA1, the others RSA-SHA256)",
    "verify": "read and verify, GET with 5 query parameters, HMAC-SHA1",
}


def cold_table(cold: dict[str, float], counted: dict[str, int]) -> list[str]:
    bare, bare_count = cold["bare"], counted.get("bare", 0)
    lines = [
        f"Bare interpreter: {bare * 1000:.1f} ms"
        + (f", {bare_count / 1e6:.1f} million instructions." if counted else "."),
        "",
        "| job | by | ms above bare | of the plain script | million instructions above bare |",
        "|---|---|---|---|---|",
    ]
    for name, seconds in cold.items():
        job, _, who = name.partition("_")
        if job not in COLD:
            continue
        plain = cold.get(f"{job}_plain")
        ratio = f"{(seconds - bare) / (plain - bare):.2f}" if plain else ""
        count = f"{(counted[name] - bare_count) / 1e6:.1f}" if name in counted else ""
        lines.append(f"| {COLD[job]} | {WHO[who]} | {(seconds - bare) * 1000:.1f} | {ratio} | {count} |")
    return lines


def rate_table(rates: dict[str, float]) -> list[str]:
    lines = ["| job | by | a second | times oauthlib |", "|---|---|---|---|"]
    for name, seconds in rates.items():
        job, _, who = name.partition("_")
        if job in RATES:
            lines.append(
                f"| {RATES[job]} | {WHO[who]} | {1 / seconds:,.0f} | {rates[f'{job}_oauthlib'] / seconds:.1f} |"
            )
    lines.append(f"| load from SQLite, open the seal, sign | valetkey | {1 / rates['sealed_read_and_sign']:,.0f} | |")
    lines.append(f"| sign with a connection in the process cache | valetkey | {1 / rates['warm_sign']:,.0f} | |")
    return lines


def at_most(share: float, name: str, other: str) -> Target:
    """valetkey's time above bare is at most that share of the other's."""

    def row(cold: dict[str, float]) -> str:
        reached = (cold[name] - cold["bare"]) / (cold[other] - cold["bare"])
        return f"| {name} at most {share} of {other} | {reached:.2f} | {'yes' if reached <= share else 'NO'} |"

    return row


def at_least(times: float, name: str, other: str) -> Target:
    """valetkey's rate is at least that many times the other's."""

    def row(rates: dict[str, float]) -> str:
        reached = rates[other] / rates[name]
        return f"| {name} at least {times} times {other} | {reached:.1f} | {'yes' if reached >= times else 'NO'} |"

    return row


COLD_TARGETS: list[Target] = [
    *(at_most(0.5, f"{job}_valetkey", f"{job}_plain") for job in ("sign", "authorize")),
    *(
        at_most(0.2, f"{job}_valetkey", f"{job}_{who}")
        for job in ("sign", "authorize")
        for who in ("oauthlib", "requests_oauthlib", "authlib_requests", "authlib_httpx")
    ),
    at_most(0.2, "sign_valetkey", "sign_authlib"),
    at_most(2.0, "sealed_valetkey", "sealed_plain"),
]
RATE_TARGETS: list[Target] = [
    *(at_least(5, "query_valetkey", f"query_{who}") for who in ("oauthlib", "authlib")),
    *(at_least(3, "form_valetkey", f"form_{who}") for who in ("oauthlib", "authlib")),
    *(at_least(50, "rsa_valetkey", f"rsa_{who}") for who in ("oauthlib", "authlib")),
    *(at_least(3, "verify_valetkey", f"verify_{who}") for who in ("oauthlib", "authlib")),
]
