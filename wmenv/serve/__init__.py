"""Worlds as sessions for others: a hub that steps them in batches, and a server that speaks of them over a socket."""
