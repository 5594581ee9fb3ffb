"""Integrations: people keep their own HTTP library, and a vault authorizes what it sends.

    requests.get(url, auth=valetkey.integrations.requests.VaultAuth(vault, "github", "alice"))
    httpx.Client(auth=valetkey.integrations.httpx.VaultAuth(vault, "trello", "alice"))       # and httpx2
    aiohttp.ClientSession(middlewares=(valetkey.integrations.aiohttp.VaultAuth(vault, "github", "alice"),))
    valetkey.integrations.urllib3.VaultPool(urllib3.PoolManager(), vault, "github", "alice").request("GET", url)

The one rule: a request is authorized for the URL that it goes to, each hop of a redirect anew; another origin gets
nothing, neither a header nor a signed body (CVE-2018-18074).

`VaultAuth.as_client` and `VaultPool.as_client` are for the client alone.

Bodies are read into memory before they are sent, because a signature may cover them (RFC 5849 section 3.4.1.3.1).
To stream a large upload, ask `vault.access_token` and set the header yourself.

Not here: which hosts are a provider's own, what a refusal leads to, refreshing: `vault.attempt` and `next_attempt`.
"""
