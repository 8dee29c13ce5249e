"""Worlds as Gymnasium environments: many rows, one row, and the face that Stable-Baselines3 wants."""
