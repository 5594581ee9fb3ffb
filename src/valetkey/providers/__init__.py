"""Providers: what valetkey knows of other people's authorization servers, as data.

`provider.py` has the value, `catalog/*.toml` one file for each provider, `catalog.py` finds and reads one when it is
asked for, `schema.py` says what a file may hold, `registration.py` joins a provider with what it gave an application.

    load_provider("github")            -> Provider, from the catalog or the user's own directory
    register("github", provider, ...)  -> Registration, with every reason why it cannot work

The one rule: a provider is data. A habit of a provider is a word that any entry may use, with the date it was seen;
no code asks for a provider by its name. Every entry says where its facts come from, when they were checked, and
whether anybody has tried them against the live provider.

Not here: the protocols (`oauth1`, `oauth2`), where client credentials come from (`config`).
"""
