"""Worlds whose key ring changes while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valetkey.effects import Open, Seal
from valetkey.keys.local import LocalKeyRing

if TYPE_CHECKING:
    from valetkey.keys import KeyRing
    from valetkey.testing.world import World

NEW = bytes((number * 11 + 200) % 256 for number in range(32))


def promoted(world: World, *, keep_old: bool = True) -> World:
    """The world after a new key was put first."""
    old = [(key_id, world.keys._keys[key_id]) for key_id in world.keys.key_ids if key_id != "new"]
    keys = LocalKeyRing([("new", NEW), *(old if keep_old else ())], random=world.clock.random)
    use(world, keys)
    return world


def use(world: World, keys: KeyRing) -> None:
    """Seal and open with these from now on."""
    world.ports.keys = keys
    if isinstance(keys, LocalKeyRing):
        world.keys = keys
    world.ports._performers[Seal] = lambda effect: keys.seal(effect.place, effect.plaintext)
    world.ports._performers[Open] = lambda effect: keys.open(effect.place, effect.sealed)
