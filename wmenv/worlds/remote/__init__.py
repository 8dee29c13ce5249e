"""Worlds behind a socket: the session protocol, and a `World` that speaks it."""
