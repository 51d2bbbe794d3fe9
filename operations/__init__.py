"""Starts, stops and supervises the processes of an installation. Only benchmarks/thirty_days imports it."""
