"""All Airflow assets in one module, because their names and URIs must be unique."""

from airflow.sdk import Asset

SNAPSHOT = Asset("snapshot", uri="shortlist://slow-plane/snapshot", group="training")
"""The immutable, DVC-tracked export that models are trained on."""

BUNDLE = Asset("bundle", uri="shortlist://slow-plane/bundle", group="training")
"""The models of one snapshot packed together, whether or not the gate accepts them."""

DEPLOYMENT = Asset("deployment", uri="shortlist://slow-plane/deployment", group="serving")
"""The bundle in service; an event means that it changed."""

TRENDING = Asset("trending", uri="shortlist://live-plane/trending", group="serving")
"""Time-decayed popularity in the database."""
