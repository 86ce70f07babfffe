"""The relay's certificate: what is refused at the start, and what follows while it runs."""

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs

from relay.errors import BadInput
from relay.intake.access.certificate import Certificate
from tests.support.clock import ManualClock

HOST = "relay.example.jp"
EXPIRES_AT = datetime(2027, 2, 1, 0, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Files:
    """Certificate and key in a folder, put in place as a renewal does."""

    certificate: Path
    key: Path

    def write(self, issued, *, certificate=True, key=True):
        """Replace both, or one of them."""
        if certificate:
            self._put(self.certificate, b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        if key:
            self._put(self.key, issued.private_key_pem.bytes())

    def _put(self, path, content):
        draft = path.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        os.replace(draft, path)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def first(authority):
    return authority.issue_cert(HOST, key_type=trustme.KeyType.ECDSA, not_after=EXPIRES_AT)


@pytest.fixture(scope="module")
def second(authority):
    later = EXPIRES_AT + timedelta(days=90)
    return authority.issue_cert(HOST, key_type=trustme.KeyType.ECDSA, not_after=later)


@pytest.fixture
def files(tmp_path, first):
    made = Files(tmp_path / "certificate.pem", tmp_path / "key.pem")
    made.write(first)
    return made


def shake_hands(server, authority, *, ciphers="DEFAULT", maximum_version=ssl.TLSVersion.TLSv1_3):
    """A handshake between the context and a client who trusts the authority; the client's side of it."""
    client = ssl.create_default_context()
    client.set_ciphers(ciphers)
    client.maximum_version = maximum_version
    client.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=HOST),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    todo = list(ends)
    for _ in range(10):
        for end in tuple(todo):
            try:
                end.do_handshake()
                todo.remove(end)
            except ssl.SSLWantReadError:
                pass
    assert not todo
    return ends[0]


def expiry(end):
    """When the certificate that a client was shown runs out."""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(end.getpeercert()["notAfter"]), UTC)


def test_a_client_is_shown_the_certificate(files, authority):
    """It verifies against the authority, and when it runs out is known without a client."""
    certificate = Certificate(files, clock=ManualClock())
    end = shake_hands(certificate.context(), authority)
    assert (expiry(end), certificate.expires_at(), certificate.problem) == (EXPIRES_AT, EXPIRES_AT, "")
    assert (end.version(), end.compression()) == ("TLSv1.3", None)


def test_what_is_spoken(files, authority):
    """TLS 1.2 with forward secrecy at the least; nothing older, no other cipher, no renegotiation."""
    context = Certificate(files, clock=ManualClock()).context()
    end = shake_hands(context, authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert end.version() == "TLSv1.2"
    names = {each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"}
    assert names
    assert all(name.startswith("ECDHE-") and ("GCM" in name or "POLY1305" in name) for name in names)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    wanted = ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    assert context.options & wanted == wanted
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        shake_hands(context, authority, maximum_version=ssl.TLSVersion.TLSv1_2, ciphers="AES128-GCM-SHA256")


def test_a_renewed_certificate_serves_the_next_connection(files, authority, second):
    """Certificate first, then the key: nobody is shown the one without the other, and nobody complains."""
    certificate = Certificate(files, clock=ManualClock())
    before = certificate.context()
    with capture_logs() as log:
        files.write(second, key=False)
        assert certificate.reload() is False
        files.write(second, certificate=False)
        assert [certificate.reload(), certificate.reload()] == [False, True]
    assert [entry["event"] for entry in log] == ["file changed"]
    assert certificate.expires_at() == EXPIRES_AT + timedelta(days=90)
    assert expiry(shake_hands(certificate.context(), authority)) == EXPIRES_AT + timedelta(days=90)
    assert expiry(shake_hands(before, authority)) == EXPIRES_AT  # who is in the middle of it goes on


@pytest.mark.parametrize("halves", [{"key": False}, {"certificate": False}])
def test_half_a_renewal_leaves_the_last_good_pair(files, authority, first, second, halves):
    """It is told once, and the pair that is in force still works; put right, it is in force again."""
    certificate = Certificate(files, clock=ManualClock())
    files.write(second, **halves)
    with capture_logs() as log:
        assert [certificate.reload() for _ in range(5)] == [False] * 5
    assert [(entry["event"], entry["kept"]) for entry in log] == [("file is bad", "the last good state")]
    assert certificate.problem == f"{files.key}: is not the key of {files.certificate}"
    assert expiry(shake_hands(certificate.context(), authority)) == EXPIRES_AT
    files.write(first)
    assert [certificate.reload(), certificate.reload(), certificate.problem] == [False, True, ""]


def test_a_certificate_cut_short_leaves_the_last_good_pair(files, authority):
    """A disk that filled up during the renewal."""
    certificate = Certificate(files, clock=ManualClock())
    files.certificate.write_bytes(files.certificate.read_bytes()[:300])
    assert [certificate.reload(), certificate.reload()] == [False, False]
    assert "holds no certificate in PEM form that can be read" in certificate.problem
    assert expiry(shake_hands(certificate.context(), authority)) == EXPIRES_AT


def refused(files):
    with pytest.raises(BadInput) as caught:
        Certificate(files, clock=ManualClock())
    return str(caught.value).replace(str(files.certificate.parent), "…")


def test_what_is_refused_at_the_start(files, first, second):
    """Each names the file and what is wrong with it, and never any of the key."""
    key = files.key.read_bytes()
    certificate = files.certificate.read_bytes()
    locked = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    told = []
    for content in (second.private_key_pem.bytes(), locked, b"", certificate, key[:80]):
        files.key.write_bytes(content)
        told.append(refused(files))
    files.key.write_bytes(key)
    for content in (b"", key, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        files.certificate.write_bytes(content)
        told.append(refused(files))
    no_key = "…/key.pem: holds no private key in PEM form that can be read"
    no_certificate = "…/certificate.pem: holds no certificate in PEM form that can be read"
    passphrase = "…/key.pem: is protected by a passphrase (openssl pkey -in KEY -out NEW writes it without)"
    assert told == [
        "…/key.pem: is not the key of …/certificate.pem",
        *[passphrase, no_key, no_key, no_key],
        *[no_certificate] * 3,
    ]


def test_the_chain_must_be_whole_too(files):
    """A second certificate that cannot be read would be missed by clients only."""
    with files.certificate.open("ab") as file:
        file.write(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    assert refused(files).startswith("…/certificate.pem: ")


def test_missing_and_open_files(files):
    """What is not there, and a key that others can read."""
    files.key.chmod(0o644)
    advice = "chmod 600, or 640 where the relay reads it by its group"
    assert refused(files) == f"…/key.pem: holds a secret and is open to others (mode 644) ({advice})"
    files.key.unlink()
    assert refused(files) == "…/key.pem: cannot be read: No such file or directory"
    files.certificate.unlink()
    os.mkfifo(files.certificate)
    assert refused(files) == "…/certificate.pem: is not a regular file"


def test_a_certificate_that_has_run_out_still_serves(files):
    """Most mail servers encrypt whatever it says: better that than clear text; it is told of in the log."""
    clock = ManualClock(EXPIRES_AT)
    with capture_logs() as log:
        certificate = Certificate(files, clock=clock)
    assert log == [
        {
            "event": "certificate has expired",
            "log_level": "warning",
            "expired_at": "2027-02-01T00:00:00+00:00",
        }
    ]
    assert certificate.problem == ""
    assert isinstance(certificate.context(), ssl.SSLContext)


def test_an_rsa_certificate_will_do(files, authority):
    """Many authorities still issue them."""
    files.write(authority.issue_cert(HOST, key_type=trustme.KeyType.RSA))
    assert shake_hands(Certificate(files, clock=ManualClock()).context(), authority).version() == "TLSv1.3"
