"""A trace: what passed between a browser, valetkey and a provider, with its secrets made into fingerprints.

    a program --watch--> entries, each redacted before it is written --sinks--> lines of a log, or of a file
    lines --lines--> entries --har--> one HAR 1.2 file for each flow, with what came of it later

A flow begins in one invocation and ends in another, and each is written by whoever ran it, so an entry carries its
flow and its connection as fingerprints, and `har` puts together what belongs together. `watch` looks on from the
outside: it runs a program as a driver does, sees its effects and their answers, and reads from the chain of programs
why each request was sent (`reasons`).

The one rule: what is not known to be harmless is not shown. `words` lists what is; everything else, names as well as
values, becomes a fingerprint: HMAC-SHA256 under a key derived from the deployment's own key, so that nobody without
that key can try out a short secret, and so that what was equal stays equal in every step, process and file.
Not here: HTTP of stores and key services, which is no step of a flow; when traces are on (`config`).
"""
