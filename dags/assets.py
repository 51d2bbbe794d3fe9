"""Every asset of the platform: names and URIs must be unique, so they live in one module."""

from airflow.sdk import Asset

SNAPSHOT = Asset("snapshot", uri="shortlist://slow-plane/snapshot", group="training")
"""The immutable, DVC-tracked export that models learn from."""

BUNDLE = Asset("bundle", uri="shortlist://slow-plane/bundle", group="training")
"""The assembled models of one snapshot, accepted or not."""

DEPLOYMENT = Asset("deployment", uri="shortlist://slow-plane/deployment", group="serving")
"""The bundle that serves; an event means that it changed."""

TRENDING = Asset("trending", uri="shortlist://live-plane/trending", group="serving")
"""Time-decayed popularity in the database."""
