"""Worlds: each one an implementation of `wmenv.contract.World`, found by name in the catalog."""
