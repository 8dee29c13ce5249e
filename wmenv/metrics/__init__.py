"""Every number wmenv reports, defined once: pure functions and row-wise accumulators over numpy arrays.

Knows the contract and nothing else: no environment, no logger, no world.
"""
