"""What every test has: a profile for property tests that does not measure time on a shared machine."""

from __future__ import annotations

from hypothesis import Phase, settings

settings.register_profile("unhurried", deadline=None)
# For tools/mutate.py: the same few examples for every mutant, and what fails is not made smaller.
settings.register_profile(
    "mutation", deadline=None, derandomize=True, database=None, max_examples=30, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile("unhurried")
