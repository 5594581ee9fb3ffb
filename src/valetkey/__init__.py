"""valetkey."""
