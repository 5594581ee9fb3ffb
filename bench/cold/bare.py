"""A bare interpreter: what every figure is counted above."""
