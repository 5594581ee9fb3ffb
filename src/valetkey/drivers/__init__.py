"""Drivers: run programs with blocking or awaited ports; the clock, chance, threads and sockets live here.

The one rule: a driver knows how an effect is performed and nothing about why. Not here: stores and key rings, which
are ports that the vault passes in.
"""
