"""Serve the shares of jobs.yaml to other machines, until SIGINT or SIGTERM."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence

from dirsync.cli.exit_codes import Exit, exit_code_of_signal
from dirsync.cli.logs.setup import set_up
from dirsync.cli.output.lines import Lines
from dirsync.cli.output.units import plural
from dirsync.cli.parsing import (
    DEFAULT_CONFIG,
    Options,
    Parser,
    add_common,
    add_json,
    config_file,
    usage_error,
)
from dirsync.cli.signals import stopping_on_signals
from dirsync.cli.watching import Show
from dirsync.config import load
from dirsync.config.configuration import Configuration
from dirsync.errors import ConfigError
from dirsync.model.serving import Serving

_FILES = ("agent-cert.pem", "agent-key.pem")
_EXTRA = "the agent needs more packages; pip install 'dirsync[agent]'"


class ServeOptions(Options):
    """What `serve` can be told."""

    generate_cert: bool
    generate_token: bool
    name: list[str]


def parser() -> Parser:
    """Make the parser of `serve`."""
    made = Parser(
        usage="dirsync serve [-c FILE] [--generate-cert [--name NAME]… | --generate-token] [-v | -q]",
        description="Serve the directories under 'serve: shares:' to other machines, whose jobs name them\n"
        "as https://host:port/share. The scheduler serves them as well.",
    )
    made.add_argument(
        "--generate-cert",
        action="store_true",
        help="make a certificate and its key where 'serve: tls:' says, and print the fingerprint to pin",
    )
    made.add_argument(
        "--name", action="append", default=[], help="a further name or address of this machine; repeatable"
    )
    made.add_argument(
        "--generate-token",
        action="store_true",
        help="print a new token, and the hash by which it can be known",
    )
    add_json(made)
    made.set_defaults(progress="none", dry_run=False)
    add_common(made)
    return made


def main(arguments: Sequence[str]) -> int:
    """Serve, or make what serving needs."""
    options = parser().parse_args(arguments, namespace=ServeOptions())
    if options.generate_token:
        return _print_token(options)
    if options.generate_cert:
        return _make_certificate(options)
    return _serve(options)


def _serve(options: ServeOptions) -> int:
    file = config_file(options)
    configuration = load(file)
    if configuration.serving is None:
        raise usage_error(
            f"{file} has no 'serve:'; write 'serve: {{listen: 0.0.0.0:8443, tls: …, shares: …}}'"
        )
    base = os.path.dirname(os.path.abspath(file))
    set_up(Show.of(options).logging, jobs=(), base=base, mask=configuration.mask)
    with stopping_on_signals() as stop:
        lines = Lines(mask=configuration.mask, stop=stop)
        with served(configuration, lines=lines, options=options):
            while not stop.wait(3600.0):
                pass
        assert stop.signal_number is not None
        return exit_code_of_signal(stop.signal_number)


@contextlib.contextmanager
def served(configuration: Configuration, *, lines: Lines, options: Options) -> Iterator[None]:
    """Serve what a configuration says while the block runs, and say so; nothing if it says nothing.

    Raises:
        ConfigError: the packages are missing.
        RunError: it cannot listen there, or the certificate cannot be used.
    """
    serving = configuration.serving
    if serving is None:
        yield
        return
    try:
        from dirsync.agent.server import serving_agent  # most never need it
    except ImportError as error:
        raise ConfigError((f"dirsync: {_EXTRA} ({error})",)) from error
    with serving_agent(serving, state=configuration.state) as agent:
        if options.json:
            lines.record({"event": "serving", "address": agent.address, "fingerprint": agent.fingerprint})
        elif not options.quiet:
            lines.line(_greeting(serving, agent.address, agent.fingerprint))
        yield


def _greeting(serving: Serving, address: str, fingerprint: str | None) -> str:
    shares = ", ".join(f"{share.name} ({share.access.value})" for share in serving.shares)
    known = f"; fingerprint sha256:{fingerprint}" if fingerprint else ", in the clear"
    return f"serving {plural(len(serving.shares), 'share', 'shares')} at {address}{known}: {shares}"


def _print_token(options: ServeOptions) -> int:
    from dirsync.agent.tokens import new_token
    from dirsync.model.serving import token_hash

    token = new_token()
    known = f"sha256:{token_hash(token).hex()}"
    lines = Lines(mask=lambda text: text)
    if options.json:
        lines.record({"event": "token", "token": token, "sha256": known})
    elif options.quiet:
        lines.line(token)
    else:
        lines.line(f"token: {token}")
        lines.line(f"its hash: {known}")
        lines.line(
            "keep the token where the jobs are; the agent may know the hash alone: tokens: [{sha256: …}]"
        )
    return Exit.DONE


def _make_certificate(options: ServeOptions) -> int:
    try:
        from dirsync.agent.certificates import generate_certificate
    except ImportError as error:
        raise ConfigError((f"dirsync: {_EXTRA} ({error})",)) from error
    certificate, key, names = _what_to_make(options)
    fingerprint = generate_certificate([*names, *options.name], certificate=certificate, key=key)
    lines = Lines(mask=lambda text: text)
    if options.json:
        made: dict[str, object] = {
            "event": "certificate",
            "cert": certificate,
            "key": key,
            "fingerprint": f"sha256:{fingerprint}",
        }
        lines.record(made)
    elif options.quiet:
        lines.line(f"sha256:{fingerprint}")
    else:
        lines.line(f"certificate: {certificate}")
        lines.line(f"key: {key}")
        lines.line(f"fingerprint: sha256:{fingerprint}")
        lines.line("pin it where the jobs are: endpoints: {name: {url: …, fingerprint: 'sha256:…'}}")
    return Exit.DONE


def _what_to_make(options: ServeOptions) -> tuple[str, str, list[str]]:
    """Give where the certificate and the key go, and the names of this machine."""
    host = socket.gethostname()
    names = list(dict.fromkeys([host, socket.getfqdn(), "localhost", "127.0.0.1", "::1"]))
    if options.config is None and not os.path.lexists(DEFAULT_CONFIG):
        return os.path.abspath(_FILES[0]), os.path.abspath(_FILES[1]), names
    serving = load(config_file(options)).serving
    if serving is None or serving.certificate is None or serving.key is None:
        raise usage_error("'serve: tls: {cert: …, key: …}' does not say where the two files belong")
    if serving.host not in ("0.0.0.0", "::"):
        names.append(serving.host)
    return serving.certificate, serving.key, names
