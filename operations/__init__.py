"""Starts, stops and supervises the processes of an installation. Nothing imports it."""
