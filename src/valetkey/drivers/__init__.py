"""Drivers: run programs with blocking or awaited ports; the clock, chance, threads and sockets live here.

    drive.py        the two loops that run a program
    ports.py        who performs which effect
    clock.py        time, what is left of the invocation, chance
    transports/     one HTTP exchange, within its reach and its deadline
    addresses.py    which addresses are on the public internet
    defaults.py     the ports of production, each built when it is first used
    tasks.py        programs that a cancelled caller does not take along
    threads.py      blocking ports for callers on an event loop
    events.py       audit events to the log and to hooks, and collected for the webhook
    session.py      an HTTP session over a function that authorizes and sends

The one rule: a driver knows how an effect is performed and nothing about why. Not here: stores and key rings, which
are ports that the vault passes in.
"""
