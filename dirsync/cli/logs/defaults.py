"""What `log_conf.yaml` says, for when there is none."""

from __future__ import annotations

BUILT_IN: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "short": {"format": "%(levelname)s: %(job)s: %(message)s"},
        "full": {
            "format": "%(asctime)s %(levelname)-7s %(job)s#%(run_id)s %(name)s: %(message)s",
            "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        },
    },
    "handlers": {
        "console": {
            "class": "dirsync.cli.logs.console.Console",
            "level": "WARNING",
            "formatter": "short",
        },
        "files": {
            "()": "dirsync.cli.logs.files.JobFiles",
            "directory": "logs",
            "max_bytes": 10_000_000,
            "backups": 5,
            "level": "INFO",
            "formatter": "full",
        },
    },
    "loggers": {"dirsync": {"level": "INFO", "handlers": ["console", "files"]}},
}
