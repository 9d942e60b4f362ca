"""When a job is due, and the loop that runs it then."""
