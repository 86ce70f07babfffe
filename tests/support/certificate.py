"""Certificates for tests: an authority of the test's own, and what it vouches for."""

import ssl
from datetime import datetime
from pathlib import Path

import trustme


class Authority:
    """A certificate authority that nobody but the test knows."""

    def __init__(self) -> None:
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)  # made far quicker than RSA

    def ca_file(self, folder: Path) -> Path:
        """Its own certificate, as a file for whoever is to trust it."""
        path = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(path)
        return path

    def server_context(self, *names: str, until: datetime | None = None) -> ssl.SSLContext:
        """How a server with a certificate for these hosts (or addresses) speaks TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names, not_after=until).configure_cert(context)
        return context

    def server_files(self, folder: Path, *names: str) -> tuple[Path, Path]:
        """The certificate, with what it stands on, and its key: files as a server is given them."""
        issued = self._authority.issue_cert(*names)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        key.touch(mode=0o600)
        key.write_bytes(issued.private_key_pem.bytes())
        return certificate, key
