"""Prometheus metrics, logs and `/status`."""
