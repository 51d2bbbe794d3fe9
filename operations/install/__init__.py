"""Makes the virtual environment with exactly what requirements.txt pins.

Nothing is installed yet when this runs, so the whole package imports the standard library only.

Others use `lock`, `machine` and `settings`.
"""
