"""The nightly run: its steps, the DVC stages, trending scores, and the replay of a bundle.

Others use `run_logging`.
"""
