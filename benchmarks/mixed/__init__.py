"""The mix of requests that a shop asks, at a given rate and as fast as it goes."""
