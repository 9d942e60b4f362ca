"""The tables of a catalog, by the steps that made them; a catalog of a later version is refused.

Every row belongs to a job, and every number to its job alone, so that jobs of many
machines may share one catalog. `BLOB` and `BIGINT` stand for what each database calls
them, `CLUSTERED` for what keeps the rows of a table in the order of its key.
"""

from __future__ import annotations

TOLD = ("mode", "size", "mtime_ns", "uid", "gid", "target", "hash")  # what a change tells, old and new
CHANGE_COLUMNS = (
    *("change_id", "run_id", "path", "old_path", "kind", "aspects", "severity", "rotted"),
    *(f"{side}_{name}" for side in ("old", "new") for name in TOLD),
    *("accepted_by", "link"),
)
_TYPES = {"target": "BLOB", "hash": "BLOB"}

_TOLD_COLUMNS = ",\n".join(
    f"    {side}_{name} {_TYPES.get(name, 'BIGINT')}" for side in ("old", "new") for name in TOLD
)

# One list of statements a version; `meta.version` counts those already applied.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
        """
        CREATE TABLE jobs (
            job_id BIGINT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            source BLOB NOT NULL,
            machine TEXT NOT NULL,
            began_at TEXT NOT NULL,
            key_name TEXT NOT NULL,
            scope BLOB NOT NULL,
            next_directory BIGINT NOT NULL DEFAULT 1,
            next_change BIGINT NOT NULL DEFAULT 1,
            entries BIGINT NOT NULL DEFAULT 0,
            bytes_total BIGINT NOT NULL DEFAULT 0,
            seal BLOB NOT NULL,
            last_run BIGINT,
            link BLOB NOT NULL,
            change_link BLOB NOT NULL,
            acceptance_link BLOB NOT NULL,
            checkpoint_link BLOB NOT NULL,
            head BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE runs (
            job_id BIGINT NOT NULL,
            run_id BIGINT NOT NULL,
            type TEXT NOT NULL,
            started_at TEXT NOT NULL,
            finished_at TEXT NOT NULL,
            outcome TEXT NOT NULL,
            scanned BIGINT NOT NULL,
            created BIGINT NOT NULL,
            modified BIGINT NOT NULL,
            metadata BIGINT NOT NULL,
            moved BIGINT NOT NULL,
            deleted BIGINT NOT NULL,
            failed BIGINT NOT NULL,
            bytes_copied BIGINT NOT NULL,
            entries BIGINT NOT NULL,
            bytes_total BIGINT NOT NULL,
            bytes_added BIGINT NOT NULL,
            bytes_modified BIGINT NOT NULL,
            bytes_deleted BIGINT NOT NULL,
            is_baseline BIGINT NOT NULL,
            first_change BIGINT NOT NULL,
            last_change BIGINT NOT NULL,
            error TEXT,
            notes TEXT NOT NULL,
            seal BLOB NOT NULL,
            link BLOB NOT NULL,
            PRIMARY KEY (job_id, run_id)
        )
        """,
        "CREATE INDEX runs_by_time ON runs (job_id, started_at)",
        """
        CREATE TABLE directories (
            job_id BIGINT NOT NULL,
            directory_id BIGINT NOT NULL,
            path BLOB NOT NULL,
            digest BLOB,
            seal BLOB NOT NULL,
            unseen_since BIGINT,
            ino BIGINT NOT NULL,
            mark BIGINT NOT NULL,
            PRIMARY KEY (job_id, directory_id)
        ) CLUSTERED
        """,
        "CREATE INDEX directories_by_ino ON directories (job_id, ino)",
        "CREATE UNIQUE INDEX directories_by_path ON directories (job_id, path)",
        """
        CREATE TABLE entries (
            job_id BIGINT NOT NULL,
            directory_id BIGINT NOT NULL,
            name BLOB NOT NULL,
            mode BIGINT NOT NULL,
            size BIGINT NOT NULL,
            mtime_ns BIGINT NOT NULL,
            ctime_ns BIGINT NOT NULL,
            uid BIGINT NOT NULL,
            gid BIGINT NOT NULL,
            ino BIGINT NOT NULL,
            target BLOB,
            hash BLOB,
            hashed_at BIGINT,
            PRIMARY KEY (job_id, directory_id, name)
        ) CLUSTERED
        """,
        "CREATE INDEX entries_by_age_of_hash ON entries (job_id, hashed_at) WHERE hashed_at IS NOT NULL",
        f"""
        CREATE TABLE changes (
            job_id BIGINT NOT NULL,
            change_id BIGINT NOT NULL,
            run_id BIGINT NOT NULL,
            path BLOB NOT NULL,
            old_path BLOB,
            kind TEXT NOT NULL,
            aspects TEXT NOT NULL,
            severity TEXT,
            rotted BIGINT NOT NULL,
        {_TOLD_COLUMNS},
            accepted_by BIGINT,
            link BLOB NOT NULL,
            PRIMARY KEY (job_id, change_id)
        ) CLUSTERED
        """,
        "CREATE INDEX changes_by_path ON changes (job_id, path, change_id)",
        """
        CREATE INDEX changes_by_old_path ON changes (job_id, old_path, change_id)
        WHERE old_path IS NOT NULL
        """,
        """
        CREATE INDEX changes_open ON changes (job_id, severity, change_id, accepted_by)
        WHERE accepted_by IS NULL AND severity IS NOT NULL
        """,
        """
        CREATE INDEX changes_rot ON changes (job_id, rotted, change_id, severity, accepted_by)
        WHERE rotted = 1
        """,
        """
        CREATE TABLE acceptances (
            job_id BIGINT NOT NULL,
            acceptance_id BIGINT NOT NULL,
            accepted_at TEXT NOT NULL,
            who TEXT NOT NULL,
            path BLOB NOT NULL,
            last_change BIGINT NOT NULL,
            link BLOB NOT NULL,
            PRIMARY KEY (job_id, acceptance_id)
        )
        """,
        """
        CREATE TABLE checkpoints (
            job_id BIGINT NOT NULL,
            made_at TEXT NOT NULL,
            run_id BIGINT NOT NULL,
            run_link BLOB NOT NULL,
            change_id BIGINT NOT NULL,
            change_link BLOB NOT NULL,
            link BLOB NOT NULL,
            PRIMARY KEY (job_id)
        )
        """,
        """
        CREATE TABLE hashed (
            job_id BIGINT NOT NULL,
            path BLOB NOT NULL,
            size BIGINT NOT NULL,
            mtime_ns BIGINT NOT NULL,
            ctime_ns BIGINT NOT NULL,
            hash BLOB NOT NULL,
            hashed_at BIGINT NOT NULL,
            seal BLOB NOT NULL,
            PRIMARY KEY (job_id, path)
        ) CLUSTERED
        """,
    ),
)
