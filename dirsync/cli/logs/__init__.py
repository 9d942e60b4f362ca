"""Where log lines go: a console, and a rotating file a job."""
