"""Valid jobs.yaml files that use every key between them: what the mutations start from."""

from __future__ import annotations

from pathlib import Path

TRACK_JOB = """\
version: 1
secrets: {pg: {environment: FUZZ_SECRET}, ping: {environment: FUZZ_PING}}
catalog: sqlite:///./state/catalog.db
defaults: {delete: keep, preserve: [mtime]}
jobs:
  etc:
    type: track
    source: /etc
    schedule: {at: "02:30", timezone: Europe/Berlin}
    compare: [size, mtime, mode, ownership, hash]
    fingerprint: {refresh: 90d, budget: 500G}
    keep: 400d
    hooks: {before: [[mount, /etc]]}
    ping_url: {secret: ping}
    rules:
      - {path: "/legal/**", attributes: [size, mtime, mode, ownership, hash], severity: critical}
      - path: "*.log"
        attributes: [mode, growing]
        severity: info
    report: {schedule: {at: "07:00", on: [mon, fri]}, to: "./{job}-%Y-%m-%d.html", format: text, since: 1d}
"""
EVERY_KEY = """\
# yaml-language-server: $schema=./jobs.schema.json
version: 1
state: ./state
include: [jobs.d/*.yaml]
secrets:
  pg: {environment: FUZZ_SECRET}
  smtp:
    file: ./secret.txt
notifiers:
  ops:
    type: smtp
    host: mail.lan
    port: 25
    from: dirsync <dirsync@lan>
    to: [ops@lan, "Ann <ann@lan>"]
    user: me
    password: {secret: smtp}
    security: tls
    ca: ./ca.pem
  cloud: {type: ses, from: d@lan, to: ops@lan, region: eu-central-1, endpoint_url: "http://localhost:5000"}
  hook: {type: webhook, url: "https://hooks.lan/a/b", headers: {Authorization: {secret: pg}, X-Plain: text}}
  chat: {type: apprise, url: "json://localhost/x"}
report: {schedule: {at: "07:00", on: mon}, to: [ops, ./all.html], format: json, since: 7d}
x-junk: &junk [".DS_Store", "Thumbs.db", "*.tmp"]
profiles:
  careful:
    guard:
      max_delete: 10%
      on_trip: fail
    retries: {attempts: 5, wait: 2s}
  nightly:
    extends: careful
    schedule:
      at: ["02:30", "14:30:15"]
      on: [mon, fri]
      timezone: Europe/Berlin
defaults:
  exclude: *junk
  compare: [size, mtime]
  notify: [{to: ops}]
jobs:
  photos:
    type: sync
    source: ./Pictures
    destination: ${FUZZ_TOP}/backup/Pictures
    interval: 15m
    include: ["*.jpg", "*.raw", "/albums/"]
    exclude+:
      - /cache/
      - "!/cache/keep/"
    watch: false
    moves: false
    notify+: [{to: hook, on: [changes, success]}]
    stale_after: 2d
    ping_url: "http://pings.lan/***"
    hooks:
      before: [[systemctl, stop, db], [/usr/bin/mount, "/mnt"]]
      before+: [[sh, -c, "echo $$HOME"]]
      after: [["systemctl", "start", "db"]]
      on_error: []
      finally: [[umount, /mnt]]
      timeout: 10m
    report:
      schedule: {every: 1d}
      to: ./photos.html
  etc:
    type: check
    source: /etc
    destination: ./etc
    extends: nightly
    compare+: [hash]
  everything:
    source: ./${FUZZ_NAME:-everything}
    destination: ./mirror
    enabled: true
    schedule:
      cron: "30 2 * * mon-fri"
      timezone: UTC
      jitter: 30s
      start: delay
      run_missed: false
      window: "20:00-06:00"
    ignore_files: [.gitignore]
    one_file_system: true
    compare:
      by: [size, mtime, mode]
      modify_window: 2
      hash: sha256
    preserve: [mtime, mode, symlinks, sparse]
    symlinks: preserve
    delete: keep
    delete_excluded: false
    guard:
      max_delete: 50%
      max_change: off
      min_free: 10G
      source_not_empty: true
      marker: .mounted
      mountpoint: false
    durability: none
    verify: none
    on_error: stop
    timeout: 2h
    bandwidth: none
    workers: ${FUZZ_WORKERS}
    engine: local
    log:
      level: debug
      file: ./logs/everything.log
"""

SMALL = """\
version: 1
jobs:
  a:
    source: one
    destination: two
"""

MERGED = """\
version: 1
x-base: &base
  enabled: false
  schedule: {every: 1d, start: now, window: "01:00-05:00"}
x-more: &more {preserve+: [mtime], workers: auto}
defaults: {exclude: ["*.o"], log: {level: info}}
jobs:
  one:
    <<: [*base, *more]
    source: "a b"
    destination: 'c$$d'
  two:
    extends: one
    destination: e
    timeout: none
    schedule: {at: 12:30, on+: [sun]}
  three: {extends: two, destination: f, enabled: true, guard: {max_change: 100, min_free: 1%}}
"""

INCLUDED = """\
profiles:
  extra: {delete: remove, on_error: continue}
jobs:
  included:
    extends: extra
    source: ./from
    destination: ./to
    symlinks: skip
"""

SEEDS = (EVERY_KEY, SMALL, MERGED, TRACK_JOB)
VARIABLES = {"FUZZ_SECRET": "hush-hush-7", "FUZZ_PING": "https://hc.lan/8d0f0c7a", "FUZZ_WORKERS": "4"}


def written_seeds(directory: Path) -> Path:
    """Write what the seeds refer to; gives the path for a jobs.yaml beside it."""
    (directory / "jobs.d").mkdir()
    (directory / "jobs.d" / "extra.yaml").write_text(INCLUDED)
    (directory / "secret.txt").write_text("file-secret-9\n")
    return directory / "jobs.yaml"
