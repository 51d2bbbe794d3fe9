"""Experiments in a request: the user's arm (`running`, `arms`), exploration, and the impression log.

Others use `arms`, `exposure`, `impression_log` and `running`.
"""
