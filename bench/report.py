"""From medians to tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """What is to be reached: one figure against another; `above` is taken from both first."""

    name: str
    other: str
    times: float
    sense: str
    above: str = ""

    def measured(self, figures: dict[str, float]) -> bool:
        return {self.name, self.other} <= set(figures)

    def __call__(self, figures: dict[str, float]) -> str:
        ground = figures[self.above] if self.above else 0.0
        mine, theirs = figures[self.name] - ground, figures[self.other] - ground
        if self.sense == "at most":
            reached, done = mine / theirs, mine <= self.times * theirs
        else:
            reached, done = theirs / mine, theirs >= self.times * mine
        return f"| {self.name} {self.sense} {self.times} of {self.other} | {reached:.2f} | {'yes' if done else 'NO'} |"


COLD = {
    "sign": "import and one signed OAuth 1.0a request",
    "authorize": "import and one authorization URL with PKCE",
    "sealed": "open the store, open a sealed connection, sign",
    "lambda": "first POST /connect through the Lambda handler",
    "dynamodb": "read a connection from DynamoDB over TLS (valetkey also opens the seal)",
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
    "boto3": "boto3",
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


def store_table(stores: dict[str, float]) -> list[str]:
    lines = ["| store | raw reads a second | loads a second | access tokens a second |", "|---|---|---|---|"]
    for name in stores:
        step, _, kind = name.partition("_")
        if step == "raw":
            rates = (1 / stores[f"{what}_{kind}"] for what in ("raw", "load", "answer"))
            lines.append(f"| {kind} | {' | '.join(f'{rate:,.0f}' for rate in rates)} |")
    return lines


def targets(wanted: list[Target], figures: dict[str, float]) -> list[str]:
    found = [target(figures) for target in wanted if target.measured(figures)]
    return ["| to reach | reached | |", "|---|---|---|", *found]


def at_most(share: float, name: str, other: str) -> Target:
    """A fresh process takes at most that share of the other's time, both above a bare interpreter."""
    return Target(name, other, share, "at most", above="bare")


def at_least(times: float, name: str, other: str) -> Target:
    """A rate is at least that many times the other's."""
    return Target(name, other, times, "at least")


COLD_TARGETS = [
    *(at_most(0.5, f"{job}_valetkey", f"{job}_plain") for job in ("sign", "authorize")),
    *(
        at_most(0.2, f"{job}_valetkey", f"{job}_{who}")
        for job in ("sign", "authorize")
        for who in ("oauthlib", "requests_oauthlib", "authlib_requests", "authlib_httpx")
    ),
    at_most(0.2, "sign_valetkey", "sign_authlib"),
    at_most(2.0, "sealed_valetkey", "sealed_plain"),
    at_most(0.33, "dynamodb_valetkey", "dynamodb_boto3"),
]
RATE_TARGETS = [
    *(at_least(5, "query_valetkey", f"query_{who}") for who in ("oauthlib", "authlib")),
    *(at_least(3, "form_valetkey", f"form_{who}") for who in ("oauthlib", "authlib")),
    *(at_least(50, "rsa_valetkey", f"rsa_{who}") for who in ("oauthlib", "authlib")),
    *(at_least(3, "verify_valetkey", f"verify_{who}") for who in ("oauthlib", "authlib")),
]
STORE_TARGETS = [
    at_least(share, f"{step}_{kind}", f"raw_{kind}")
    for kind in ("sqlite", "postgresql", "redis", "dynamodb", "aztables", "firestore")
    for step, share in (("load", 0.7), ("answer", 0.4))
]
