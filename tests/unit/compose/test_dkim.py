"""DKIM: what is signed, verified by a program of another maker and by the standards' own examples."""

import base64
import re
import subprocess
from typing import get_args

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from grammar import load_catalogue
from relay.charset import Profile
from relay.compose.composer import Composer
from relay.compose.dkim import (
    SIGNED,
    Signer,
    SigningKey,
    load_signer,
    relaxed_body,
    relaxed_field,
)
from relay.config import DkimKey
from relay.errors import BadInput
from tests.support.clock import ManualClock
from tests.support.composing import HOSTNAME, notification, registration

RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
MAIL = (
    b"Message-ID: <1@relay.example.jp>\r\n"
    b"From: Qoo10 <qoo10info@example.jp>\r\n"
    b"To: orders@partner.example.jp,\r\n copy@partner.example.jp\r\n"
    b"Subject:  =?UTF-8?B?5rOo5paH?=  \r\n"
    b"X-Recognition-Key: key\r\n"
    b"\r\n"
    b"a \t b  \r\n\r\n.\r\n \r\n\r\n"
)
RESENT = (
    b"Resent-Date: Sun, 22 Nov 2026 10:00:00 +0900\r\n"
    b"Resent-From: postmaster@relay.example.jp\r\n"
    b"Resent-To: orders@partner.example.jp\r\n"
    b"Resent-Message-ID: <2@relay.example.jp>\r\n"
)
RECEIVED = b"Received: from relay.example.jp by mail.partner.example.jp; Sun, 22 Nov 2026 10:00:01 +0900\r\n"


class _Ed25519Verifier(dkim.DKIM):
    """dkimpy's verifier, given the key, for its own needs a library that is not there."""

    def verify_sig(self, sig, include_headers, sig_header, dnsfunc):
        text = dnsfunc(sig[b"s"] + b"._domainkey." + sig[b"d"] + b".").decode("ascii")
        public = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(text.rpartition("p=")[2]))

        class Key:
            def verify(self, digest, signature):
                public.verify(signature, digest)

        self.pk, self.keysize, self.ktag = Key(), 256, b"ed25519"
        return self.verify_sig_process(sig, include_headers, sig_header, dnsfunc)


def key(private=RSA, domain="example.jp"):
    """A domain's key."""
    return SigningKey(domain=domain, selector="s2026", private=private)


def is_valid(content, *keys):
    """Whether dkimpy believes the mail, with the records in the DNS that the keys ask for."""
    records = {record.name + ".": record.text for record in Signer(keys).records}

    def answer(name, timeout=5):
        return records[name.decode("ascii")].encode("ascii")

    verifier = dkim.DKIM if isinstance(keys[0].private, rsa.RSAPrivateKey) else _Ed25519Verifier
    return verifier(content).verify(dnsfunc=answer)


def is_believed(content):
    """The same, where dkimpy may also raise because the body is another."""
    try:
        return is_valid(content, key())
    except dkim.ValidationError:
        return False


def domain_of(content):
    """For which domain the mail is signed; None when it is not."""
    found = re.match(rb"DKIM-Signature: v=1; a=\S+; c=relaxed/relaxed;\r\n d=(\S+);", content)
    return found and found[1].decode()


# The standards' own examples


def test_the_example_of_rfc_6376():
    """Section 3.4.5: relaxed header fields and body."""
    rows = [b"A: X", b"B : Y\t\r\n\tZ  "]
    assert [relaxed_field(row) for row in rows] == [(b"a", b"X"), (b"b", b"Y Z")]
    assert relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


def test_the_example_of_rfc_8463():
    """Appendix A: its key signs its mail, made canonical by us, with its signature."""
    seed = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    signing = SigningKey(
        domain="football.example.com",
        selector="brisbane",
        private=ed25519.Ed25519PrivateKey.from_private_bytes(seed),
    )
    rows = [
        b"From: Joe SixPack <joe@football.example.com>",
        b"To: Suzie Q <suzie@shopping.example.net>",
        b"Subject: Is dinner ready?",
        b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
        b"Message-ID: <20030712040037.46341.5F8J@football.example.com>",
        b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"  # noqa: ISC004  (one field)
        b" d=football.example.com; i=@football.example.com;\r\n"
        b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
        b" subject : date : message-id : from : subject : date;\r\n"
        b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
        b" b=",
    ]
    signed = b"\r\n".join(b"%s:%s" % relaxed_field(row) for row in rows)
    assert base64.b64encode(signing.signature(signed)) == (
        b"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
    )
    assert signing.record.text == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


# By another maker's verifier


@pytest.mark.parametrize("private", [RSA, ED25519])
def test_a_signed_mail_is_verified_and_is_otherwise_as_it_was(private):
    """The signature stands before the mail, all else keeps its bytes; lines put before it break nothing."""
    content = Signer([key(private)]).signed(MAIL, "example.jp")
    assert content.endswith(b"\r\n" + MAIL)
    assert is_valid(content, key(private))
    assert is_valid(RECEIVED + RESENT + content, key(private))


@pytest.mark.parametrize(
    "change",
    [
        (b".\r\n", b"..\r\n"),
        (b"5rOo5paH", b"5rOo5paI"),
        (b"qoo10info", b"someone"),
        (b"To: orders", b"To: others"),
        (b"Recognition-Key: key", b"Recognition-Key: yek"),
        (b"Subject:", b"Subject: another\r\nSubject:"),
        (b"From:", b"From: someone@example.com\r\nFrom:"),
        (b"\r\n\r\na", b"\r\nContent-Type: text/html\r\n\r\na"),
        (b"\r\n\r\na", b"\r\nDate: Sun, 22 Nov 2026 10:00:00 +0900\r\n\r\na"),
    ],
)
def test_what_a_reader_goes_by_cannot_be_changed_or_added(change):
    """A second Subject or a Content-Type where there was none is as bad as another one."""
    content = Signer([key()]).signed(MAIL, "example.jp")
    changed = content.replace(*change)
    assert changed != content
    assert not is_believed(changed)


@pytest.mark.parametrize("charset", get_args(Profile))
@pytest.mark.parametrize("private", [RSA, ED25519])
def test_composed_mails_of_every_charset_are_verified(charset, private):
    """Folded subjects, escapes of ISO-2022-JP, base64, rows that end in spaces; all else is as without."""
    catalogue = load_catalogue()
    chosen = registration(
        catalogue,
        charset=charset,
        recognition_key="鍵 one",
        recipients=tuple(f"orders-{number}@partner.example.jp" for number in range(9)),
        body="[注文番号] <$_PACK_NO_$>  \n\n\n##LOOP##[商品名] <$_ITEM_NM_$>\n \n\n",
        subject="注文のお知らせ" * 9 + "<$_PACK_NO_$>",
    )
    told = notification("長袖Tシャツ  キッズ用", "湯呑み")
    signer = Signer([key(private)])
    (plain,) = Composer(HOSTNAME, ManualClock(), catalogue).compose(told, [chosen]).mails
    (composed,) = Composer(HOSTNAME, ManualClock(), catalogue, signer).compose(told, [chosen]).mails
    assert composed.mail.content.endswith(b"\r\n" + plain.mail.content)
    assert is_valid(composed.mail.content, key(private))


def test_mails_of_another_sender_are_not_signed():
    """No key for the From's domain: the mail goes as it was composed."""
    catalogue = load_catalogue()
    chosen = registration(catalogue, sender="例題 <shop@example.com>")
    signer = Signer([key()])
    (composed,) = Composer(HOSTNAME, ManualClock(), catalogue, signer).compose(notification(), [chosen]).mails
    assert domain_of(composed.mail.content) is None


@pytest.mark.parametrize(
    ("from_domain", "signing"),
    [
        ("example.jp", "example.jp"),
        ("EXAMPLE.jp", "example.jp"),
        ("shop.example.jp", "shop.example.jp"),
        ("a.shop.example.jp", "shop.example.jp"),
        ("mail.example.jp", "example.jp"),
        ("notexample.jp", None),
        ("jp", None),
        ("", None),
    ],
)
def test_the_key_is_that_of_the_domain_or_of_the_nearest_above(from_domain, signing):
    """What DMARC takes for aligned; a longer name that merely ends alike is another domain."""
    signer = Signer([key(), key(ED25519, "shop.example.jp")])
    assert domain_of(signer.signed(MAIL, from_domain)) == signing


def test_the_signature_is_one_well_formed_field():
    """Rows of at most 76 characters of ASCII; each signed name once more than the mail has it."""
    content = Signer([key()]).signed(MAIL, "example.jp")
    head = content[: -len(MAIL)]
    assert re.fullmatch(rb"DKIM-Signature: [!-~ ]+\r\n( [!-~]+\r\n)+", head)
    assert max(map(len, head.split(b"\r\n"))) <= 76
    listed = re.sub(rb"\s", b"", head).partition(b";h=")[2].partition(b";")[0].split(b":")
    assert listed == [
        *(b"from", b"from", b"to", b"to", b"subject", b"subject", b"date", b"message-id", b"message-id"),
        *(b"mime-version", b"content-type", b"content-transfer-encoding"),
        *(b"x-recognition-key", b"x-recognition-key"),
    ]
    assert set(listed) == set(SIGNED)


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"b:", b"\x1b$B", b".", b"\x0b"]), max_size=30))
def test_bodies_and_fields_are_made_canonical_as_dkimpy_does(pieces):
    """White space in every place, in mails whose last row is ended, as all are on the wire."""
    text = b"".join(pieces)
    assert relaxed_body(text + b"\r\n") == Relaxed.canonicalize_body(text + b"\r\n")
    ours = relaxed_field(b"Subject:" + text)
    theirs = Relaxed.canonicalize_headers([(b"Subject", text)])[0]
    assert (ours[0], ours[1].strip() + b"\r\n") == (theirs[0], theirs[1])


def test_a_mail_of_blanks_is_signed_in_time_that_grows_with_its_size():
    """A buyer who sends a million spaces does not stop the relay."""
    content = MAIL + b" " * 2_000_000 + b"x\r\n"
    assert domain_of(Signer([key()]).signed(content, "example.jp")) == "example.jp"


# Keys


HINT = "chmod 600, or 640 where the relay reads it by its group"


def pem(private, encryption=None):
    """As openssl writes it."""
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def stored(path, octets, mode=0o600):
    """A key file, in the settings of its domain."""
    path.write_bytes(octets)
    path.chmod(mode)
    return {"example.jp": DkimKey(selector="s2026", key_file=path)}


@pytest.mark.parametrize("private", [RSA, ED25519])
def test_keys_are_read_from_files(tmp_path, private):
    """In PEM, as openssl writes them; what must stand in the DNS is told."""
    signer = load_signer(stored(tmp_path / "key.pem", pem(private)))
    assert signer.records == (key(private).record,)
    assert signer.records[0].name == "s2026._domainkey.example.jp"
    assert is_valid(signer.signed(MAIL, "example.jp"), key(private))


def test_no_keys_make_no_signer():
    """A relay without keys has nothing on the way of its mails."""
    assert load_signer({}) is None


def test_a_key_that_cannot_be_used_keeps_the_relay_from_starting(tmp_path):
    """Every problem at once, each with its file; nothing of a key is shown."""
    curve = ec.generate_private_key(ec.SECP256R1())
    cases = {
        "text": (b"not a key", 0o600, "is not a private key in PEM"),
        "empty": (b"", 0o600, "is not a private key in PEM"),
        "locked": (
            pem(RSA, BestAvailableEncryption(b"x")),
            0o600,
            "is protected by a passphrase, which nobody could type at a restart",
        ),
        "curve": (pem(curve), 0o600, "is neither an RSA nor an Ed25519 key"),
        "open": (
            pem(RSA),
            0o644,
            f"holds a secret and is open to others (mode 644) ({HINT})",
        ),
        "large": (b"x" * 20_000, 0o600, "is larger than 16384 octets"),
    }
    keys = {}
    for name, (octets, mode, _) in cases.items():
        keys[f"{name}.example.jp"] = stored(tmp_path / name, octets, mode)["example.jp"]
    keys["none.example.jp"] = DkimKey(selector="s", key_file=tmp_path / "none")
    with pytest.raises(BadInput) as caught:
        load_signer(keys)
    assert [str(problem) for problem in caught.value.problems] == [
        *(f"{tmp_path / name}: {problem}" for name, (_, _, problem) in cases.items()),
        f"{tmp_path / 'none'}: cannot be read: No such file or directory",
    ]


@pytest.mark.parametrize("bits", [512, 1016])
def test_keys_of_a_length_that_proves_nothing_are_refused(tmp_path, bits):
    """RFC 8301: receivers do not believe less than 1024 bits."""
    path = tmp_path / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", path, str(bits)], check=True, capture_output=True)
    with pytest.raises(BadInput) as caught:
        load_signer(stored(path, path.read_bytes()))
    assert str(caught.value) == f"{path}: has {bits} bits; receivers verify 1024 to 4096, and 2048 is usual"


def test_a_key_does_not_show_itself():
    """Neither by itself nor in the signer."""
    shown = repr(key()) + repr(Signer([key()])) + str(key())
    assert "SigningKey(domain='example.jp', selector='s2026')" in shown
    assert "private" not in shown
