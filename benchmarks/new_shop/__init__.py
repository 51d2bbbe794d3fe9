"""A shop's first 120 nights: what the gate refuses, and why."""
