"""One job through its stages; the only place that knows their order."""
