"""What is kept of episodes: the recorder, the places its records go to, video.

Knows the contract and the metrics; environments hand it steps and never hear back.
"""
