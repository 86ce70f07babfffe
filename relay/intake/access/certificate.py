"""The relay's own certificate and key: what it shows to clients, and how it encrypts with them.

TLS 1.2 or newer, with forward secrecy and authenticated ciphers only, no compression, no renegotiation.
Both files are read together and again when they change (`live_file`): a new certificate serves the next
connection, and no connection is cut.

Guarantees: `context` is always one that works; certificate and key of it belong together. A certificate
that has run out still serves, because most mail servers encrypt whatever it says, and is told of.

Diagnostics: `BadInput` that names the file and what is wrong with it: missing, no PEM, protected by a
passphrase, readable by others, not the key of this certificate; log `certificate has expired`. Source: RFC
8996 and 9325 (versions and ciphers); RFC 3207.
"""

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn, Protocol

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from relay.clock import Clock
from relay.errors import BadInput, Problem
from relay.intake.access.live_file import LiveFile
from relay.source import read_source

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; all of 1.3's are of this sort (RFC 9325 section 4.2)

_log = structlog.get_logger(__name__)


class Files(Protocol):
    """Where certificate and key stand; `config.TlsFiles` is one."""

    @property
    def certificate(self) -> Path:
        """The certificate, with its chain behind it; PEM."""

    @property
    def key(self) -> Path:
        """Its private key, without a passphrase; PEM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """What one state of the two files gives."""

    context: ssl.SSLContext
    expires_at: datetime


class Certificate:
    """The certificate in force."""

    def __init__(self, files: Files, *, clock: Clock) -> None:
        """Read both files; raises BadInput."""
        self._clock = clock
        self._live = LiveFile((files.certificate, files.key), lambda: _loaded(files.certificate, files.key))
        self._warn()

    @property
    def problem(self) -> str:
        """Why the files are not in force as they stand; empty when they are."""
        return self._live.problem

    def context(self) -> ssl.SSLContext:
        """For a connection that begins now; it does no I/O."""
        return self._live.current.context

    def expires_at(self) -> datetime:
        """When the certificate in force runs out, aware, in UTC."""
        return self._live.current.expires_at

    def reload(self) -> bool:
        """Look whether the files have changed; `live_file.watch` calls it."""
        changed = self._live.reload()
        if changed:
            self._warn()
        return changed

    def _warn(self) -> None:
        if self.expires_at() <= self._clock.now():
            _log.warning("certificate has expired", expired_at=self.expires_at().isoformat())


def _loaded(certificate_path: Path, key_path: Path) -> _Loaded:
    certificate = _certificate(read_source(certificate_path), certificate_path)
    key = _public_half(read_source(key_path, private=True), key_path)
    if key != certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo):
        _refuse(key_path, f"is not the key of {certificate_path}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(CIPHERS)
    try:
        # The password is a call that gives none: without it OpenSSL would ask on the terminal and wait.
        context.load_cert_chain(certificate_path, key_path, password=lambda: b"")
    except (ssl.SSLError, OSError) as error:
        _refuse(certificate_path, f"cannot be used: {_reason(error)}")
    return _Loaded(context=context, expires_at=certificate.not_valid_after_utc)


def _certificate(content: bytes, path: Path) -> x509.Certificate:
    """The first certificate of a file, which is the relay's own."""
    try:
        certificate = x509.load_pem_x509_certificate(content)
        certificate.public_key()  # it is read only when it is asked for
    except (ValueError, UnsupportedAlgorithm):
        _refuse(path, "holds no certificate in PEM form that can be read")
    return certificate


def _public_half(content: bytes, path: Path) -> bytes:
    """The public key of a private one, in DER."""
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        _refuse(path, "is protected by a passphrase", "openssl pkey -in KEY -out NEW writes it without")
    except (ValueError, UnsupportedAlgorithm):
        _refuse(path, "holds no private key in PEM form that can be read")
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _reason(error: OSError) -> str:
    text = getattr(error, "reason", None) or error.strerror or str(error)
    return str(text).replace("_", " ").lower()


def _refuse(path: Path, message: str, hint: str = "") -> NoReturn:
    raise BadInput((Problem(file=str(path), message=message, hint=hint),)) from None
