"""What people and machines read: the only place that prints."""
