from __future__ import annotations

from hypothesis import settings

# A machine that is busy with something else does not make a parser wrong.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
