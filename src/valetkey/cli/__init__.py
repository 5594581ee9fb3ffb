"""The command line: what an operator asks of a deployment, and two things to try valetkey with.

    valetkey demo                                        both protocols, end to end, on this machine
    valetkey sandbox                                     the provider of the demo alone
    valetkey connections list|show|refresh|revoke|forget what the vault holds, without tokens
    valetkey keepalive                                   refresh what is about to lapse because nobody uses it
    valetkey registrations list|forget                   clients that were registered at run time
    valetkey rescue import|list                          fresh tokens that the store did not take when they came
    valetkey events deliver|list|secret                  what is told, and what still waits to be told
    valetkey store create|check|restored                 the place where they are kept; that a backup was put back
    valetkey keys generate|rotate|reseal                 sealing keys: make one, bring it in, seal every row with it
    valetkey doctor                                      what is wrong with the deployment
    valetkey doctor oauth1                               which mistake makes a signature that is refused
    valetkey trace list|har|connect                      what happened on the wire, as HAR files without secrets
    valetkey providers list|show                         what the catalog knows

Every command takes `--json`, for errors too: `{"error": ..., "problems": [...]}` on standard error. The status is 0, 1
where something failed, 2 where the command or the configuration is wrong. Colours only on a terminal.

`output.py` prints, `commands.py` is the group and its handling of errors, every other file is one group of commands,
`demo/` is the demonstration.

The one rule: no token, no secret and no traceback is ever printed. (`keys generate`, `keys rotate`
and `events secret` print one: that is their job.)
Not here: anything that the library could not do without a terminal.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process."""
    import sys

    try:
        from valetkey.cli.commands import valetkey
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("click", "rich"):
            raise
        print(
            f"The command line needs the package {missing.name}: install it with  pip install 'valetkey[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    valetkey.main(arguments)
