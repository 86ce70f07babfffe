"""DKIM: signs a mail for the domain of its sender, so that receivers can prove who sent it.

A mail is signed once, when all else of it is fixed, and stored so: every attempt sends the same bytes. The
key is that of the From's domain or, where it has none, of the nearest domain above it, which DMARC counts as
aligned. A domain without a key is not signed for.

Guarantees: rsa-sha256 or ed25519-sha256, relaxed/relaxed; every signed header is named once more than it
occurs, so that nobody can add a second Subject on the way; lines put before the mail (Received, Resent-*)
break nothing. Keys are read once and never shown. Linear in the mail's size, whatever stands in it.

Diagnostics: `BadInput` at the start for a key that is missing, open to other users, protected by a
passphrase, of another kind, or of a length that receivers do not take. Signing itself cannot fail.
Source: RFC 6376, RFC 8301 (lengths), RFC 8463 (Ed25519).
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from relay.config import DkimKey
from relay.errors import BadInput, Problem
from relay.source import read_source

SIGNED = (
    b"from",
    b"to",
    b"subject",
    b"date",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"x-recognition-key",
)  # all that a composed mail has, and that a reader goes by
MIN_RSA_BITS, MAX_RSA_BITS = 1024, 4096  # RFC 8301 section 3.2: what every receiver can verify
MAX_KEY_FILE = 16 * 1024  # octets: an RSA key of 4096 bits has 3.3 KB
_LINE = 76  # characters, as all other headers here (RFC 2047 section 2)
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_BLANKS = re.compile(rb"[ \t]+")

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecord:
    """What must stand in the DNS, as TXT, so that receivers can verify."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The key of one domain."""

    domain: str
    selector: str
    private: PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """As the signature names it."""
        return "rsa-sha256" if isinstance(self.private, rsa.RSAPrivateKey) else "ed25519-sha256"

    @property
    def record(self) -> DnsRecord:
        """Its public half."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            kind, octets = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, octets = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        text = f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode('ascii')}"
        return DnsRecord(name=f"{self.selector}._domainkey.{self.domain}", text=text)

    def signature(self, signed: bytes) -> bytes:
        """Of these octets; RFC 8463 section 3 has Ed25519 sign their hash."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return self.private.sign(hashlib.sha256(signed).digest())


class Signer:
    """Signs for the domains that it has keys of."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = {key.domain: key for key in keys}

    @property
    def records(self) -> tuple[DnsRecord, ...]:
        """What must stand in the DNS for all keys."""
        return tuple(key.record for key in self._keys.values())

    def signed(self, content: bytes, from_domain: str) -> bytes:
        """The mail with its signature before it; as it is when there is no key for the domain.

        Args:
            content: a whole mail, its lines ending in CRLF.
            from_domain: the domain of its From.
        """
        key = self._key(from_domain.lower())
        if key is None:
            return content
        head, _, body = content.partition(b"\r\n\r\n")
        fields = _fields(head)
        names = [name for name, _ in fields]
        listed = [name for name in SIGNED for _ in range(names.count(name) + 1)]
        body_hash = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        line = _signature_line(key, listed, body_hash.decode("ascii"))
        covered = [*_covered(fields, listed), relaxed_field(line.removesuffix(b"\r\n"))]
        signature = key.signature(b"\r\n".join(b"%s:%s" % each for each in covered))
        return line.removesuffix(b"\r\n") + _folded(base64.b64encode(signature)) + b"\r\n" + content

    def _key(self, domain: str) -> SigningKey | None:
        while domain:
            if (key := self._keys.get(domain)) is not None:
                return key
            domain = domain.partition(".")[2]
        return None


def load_signer(keys: Mapping[str, DkimKey]) -> Signer | None:
    """Who signs with these keys, by domain; None when there are none. Raises BadInput with every problem."""
    loaded: list[SigningKey] = []
    problems: list[Problem] = []
    for domain, chosen in keys.items():
        try:
            pem = read_source(chosen.key_file, limit=MAX_KEY_FILE, private=True)
            private = _private_key(pem)
        except ValueError as error:
            problems.append(Problem(file=str(chosen.key_file), message=str(error)))
        except BadInput as error:
            problems += error.problems
        else:
            loaded.append(SigningKey(domain=domain.lower(), selector=chosen.selector, private=private))
    if problems:
        raise BadInput(tuple(problems))
    return Signer(loaded) if loaded else None


def relaxed_field(row: bytes) -> tuple[bytes, bytes]:
    r"""A header field's name and value as they are signed (RFC 6376 section 3.4.2).

    >>> relaxed_field(b"Subject: a\r\n\t b  c ")
    (b'subject', b'a b c')
    """
    name, _, value = row.partition(b":")
    return name.strip(b" \t").lower(), _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" \t")


def relaxed_body(body: bytes) -> bytes:
    r"""A body as its hash is taken (RFC 6376 section 3.4.4).

    >>> relaxed_body(b" a\t b \r\n\r\n \r\n")
    b' a b\r\n'
    """
    text = _BLANKS.sub(b" ", body).replace(b" \r\n", b"\r\n").removesuffix(b" ").rstrip(b"\r\n")
    return text + b"\r\n" if text else b""


def _private_key(pem: bytes) -> PrivateKey:
    """Raises ValueError with what is wrong, in words for whoever must mend it."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("is protected by a passphrase, which nobody could type at a restart") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("is not a private key in PEM") from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("is neither an RSA nor an Ed25519 key")  # noqa: TRY004  (a fault of the file's)
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        limits = f"{MIN_RSA_BITS} to {MAX_RSA_BITS}"
        raise ValueError(f"has {key.key_size} bits; receivers verify {limits}, and 2048 is usual")
    return key


def _fields(head: bytes) -> list[tuple[bytes, bytes]]:
    return [relaxed_field(row) for row in _FIELD_END.split(head)]


def _covered(fields: Sequence[tuple[bytes, bytes]], listed: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The fields of these names: of several with one name, the last first (RFC 6376 section 5.4.2)."""
    last = {name: iter([each for each in reversed(fields) if each[0] == name]) for name in set(listed)}
    for name in listed:
        if (found := next(last[name], None)) is not None:
            yield found


def _signature_line(key: SigningKey, listed: Sequence[bytes], body_hash: str) -> bytes:
    """The DKIM-Signature field as it is signed: with its `b=` empty."""
    rows = [
        f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed;",
        f" d={key.domain};",
        f" s={key.selector};",
    ]
    row = " h="
    for number, name in enumerate(listed, 1):
        tag = name.decode("ascii") + (":" if number < len(listed) else ";")
        if len(row) + len(tag) > _LINE:
            rows.append(row)
            row = " "
        row += tag
    return "\r\n".join([*rows, row, f" bh={body_hash};", " b=", ""]).encode("ascii")


def _folded(coded: bytes) -> bytes:
    """The signature in rows: the first beside ` b=`."""
    cuts = [0, *range(_LINE - len(" b="), len(coded), _LINE - 1), len(coded)]
    return b"\r\n ".join(coded[start:end] for start, end in pairwise(cuts))
