"""Measurements of speed and quality, run by hand (`make bench`). Nothing imports it."""
