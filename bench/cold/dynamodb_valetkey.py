"""access_token() from DynamoDB, over TLS: read the same item strongly, open the seal, answer."""

import os

from valetkey import Vault

environ = {
    **os.environ,
    "VALETKEY_STORE": f"dynamodb://valetkey?region=eu-central-1&endpoint={os.environ['BENCH_DYNAMODB']}",
}
vault = Vault.from_env(environ)
assert vault.access_token("github", "alice").reveal() == "token-of-github"
vault.close()
