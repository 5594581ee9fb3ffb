"""How the demonstration is told: numbered steps, what happened in each, and nothing that is worth stealing."""

from __future__ import annotations

import time
from hashlib import sha256

from rich.text import Text

from valetkey.cli.output import console, plain, print_json
from valetkey.errors import ValetkeyError
from valetkey.http import read_form
from valetkey.sandbox.visitor import VisitFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.cli.demo.deployment import Deployment
    from valetkey.secret import Secret

SHOWN_CHARACTERS = 4
OPEN_VALUES = ("code_challenge_method", "response_type", "scope", "client_id", "iss", "redirect_uri")


class DemoFailed(Exception):
    """Something did not go as it is told. The message holds no secret."""


class Narrator:
    """Tells the steps as they happen, and keeps what was said for `--json`."""

    def __init__(self, steps: int, *, silent: bool) -> None:
        self._steps, self._silent = steps, silent
        self._console = console()
        self._told: list[dict[str, object]] = []
        self._lines: list[str] = []
        self._started = time.monotonic()
        self.failed = False

    def open(self, deployment: Deployment) -> None:
        """Say what stands ready."""
        self._print(Text("valetkey: OAuth 1.0a and OAuth 2.0 for functions that forget everything", style="bold"))
        self._print(Text(f"  application   {deployment.base_url}   the Lambda handler behind a local API gateway"))
        self._print(Text(f"  provider      {deployment.provider_url}   the sandbox: strict, rotates refresh tokens"))
        self._print(Text("  store         SQLite in a temporary directory, sealed with a key made just now"))

    def run(self, title: str, step: Callable[[], None]) -> bool:
        """Run one step; whether it held."""
        number = len(self._told) + 1
        self._lines = []
        self._print(Text.assemble("\n", (f"[{number}/{self._steps}] {title}", "bold cyan")))
        begun = time.monotonic()
        problem = ""
        try:
            step()
        except (DemoFailed, ValetkeyError, VisitFailed) as error:
            problem = f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - only our own errors are known to hold no secret
            problem = f"{type(error).__name__} (its text is withheld)"
        seconds = round(time.monotonic() - begun, 2)
        self._told.append(
            {"step": title, "ok": not problem, "seconds": seconds, "told": self._lines}
            | ({"problem": problem} if problem else {})
        )
        if problem:
            self.failed = True
            self._print(Text.assemble(("  FAILED  ", "bold red"), plain(problem)))
        return not problem

    def tell(self, sentence: str) -> None:
        """Say what happens."""
        self._lines.append(sentence)
        self._print(Text(f"      {plain(sentence)}", style="dim"))

    def check(self, holds: object, claim: str) -> None:
        """Claim something that was checked. Raises DemoFailed where it does not hold."""
        if not holds:
            message = f"this does not hold: {claim}"
            raise DemoFailed(message)
        self._lines.append(f"ok: {claim}")
        self._print(Text.assemble(("  ok  ", "green"), plain(claim)))

    def wait(self, seconds: float, reason: str) -> None:
        """Let time pass, visibly."""
        self.tell(f"{reason} ({seconds:.0f} s)")
        ends = time.monotonic() + seconds
        if self._silent or not self._console.is_terminal:
            time.sleep(max(0.0, seconds))
            return
        with self._console.status("") as status:
            while (left := ends - time.monotonic()) > 0:
                status.update(f"{left:.0f} s")
                time.sleep(min(0.2, left))

    def close(self, *, as_json: bool) -> None:
        """Say how it ended."""
        seconds = time.monotonic() - self._started
        held = sum(1 for step in self._told if step["ok"])
        if as_json:
            print_json({"ok": not self.failed, "seconds": round(seconds, 2), "steps": self._told})
            return
        if self.failed:
            self._print(Text(f"\n{held} of {self._steps} steps held; see above for the one that did not.", style="red"))
        else:
            self._print(Text(f"\nAll {held} steps held, in {seconds:.1f} s.", style="bold green"))

    def invite(self, deployment: Deployment) -> None:
        """Say where to go on by hand."""
        self._print(Text.assemble("\nTry it yourself: ", (f"{deployment.base_url}/", "bold underline")))
        self._print(Text("  At the provider you are alice with the password wonderland. Ctrl-C ends everything."))

    def _print(self, text: Text) -> None:
        if not self._silent:
            self._console.print(text, soft_wrap=True)


def fingerprint(secret: Secret) -> str:
    """What may be shown of a secret: enough to see whether two are the same."""
    return f"*** (SHA-256 {sha256(secret.reveal().encode()).hexdigest()[:8]})"


def shown_url(url: str) -> str:
    """The URL with the values of its query cut short, but for those that say how and not what."""
    path, _, query = url.partition("?")
    pairs = [(name, text if name in OPEN_VALUES else shown_text(text)) for name, text in read_form(query)]
    return f"{path}?{'&'.join(f'{name}={text}' for name, text in pairs)}" if pairs else path


def shown_text(text: str) -> str:
    """The first characters of a text."""
    return f"{text[:SHOWN_CHARACTERS]}..." if len(text) > SHOWN_CHARACTERS else "***"
