"""Open the vault from the environment, open a sealed connection in SQLite and sign a request with it."""

from valetkey import Request, Vault

vault = Vault.from_env()
request = vault.sign(
    Request("GET", "https://api.trello.com/1/members/me"), registration="trello", resource_owner="alice"
)
assert (request.headers.get("authorization") or "").startswith("OAuth ")
vault.close()
