"""A key pair for an agent, made on the spot: its fingerprint is pinned by whoever connects."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import os
import ssl
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dirsync.errors import RunError
from dirsync.model.names import escaped

_VALID = datetime.timedelta(days=3650)


def generate_certificate(names: Sequence[str], *, certificate: str, key: str) -> str:
    """Make a self-signed certificate for some names and its key, as PEM files; give its fingerprint.

    The key file is its owner's alone (mode 0600). Files that are there are not overwritten.

    Raises:
        RunError: one of the files is there, or cannot be written.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(key, secret, mode=0o600)
    try:
        _write(certificate, made.public_bytes(serialization.Encoding.PEM), mode=0o644)
    except RunError:
        with contextlib.suppress(OSError):
            os.unlink(key)
        raise
    return hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()


def fingerprint_of(certificate: str) -> str:
    """Give the SHA-256 of the first certificate in a PEM file, in hex.

    Raises:
        RunError: it cannot be read, or holds none.
    """
    try:
        with open(certificate, encoding="ascii", errors="replace") as file:
            text = file.read()
        begin, end = text.index("-----BEGIN CERTIFICATE-----"), text.index("-----END CERTIFICATE-----")
        der = ssl.PEM_cert_to_DER_cert(text[begin : end + len("-----END CERTIFICATE-----")])
    except OSError as error:
        raise RunError(
            f"certificate '{escaped(certificate)}' cannot be read: {error.strerror}; "
            "make one with 'serve --generate-cert'"
        ) from error
    except ValueError as error:
        raise RunError(f"'{escaped(certificate)}' holds no certificate in PEM form") from error
    return hashlib.sha256(der).hexdigest()


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: str, content: bytes, *, mode: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
    except FileExistsError:
        raise RunError(f"'{escaped(path)}' is there already; move it away to make a new one") from None
    except OSError as error:
        raise RunError(f"'{escaped(path)}' cannot be written: {error.strerror}") from error
