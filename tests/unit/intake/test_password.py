"""Hashes of passwords: what is written, what is read, what is refused."""

import hashlib
import re

import pytest

from relay.intake.access.password import COST, DIGEST_OCTETS, MAX_PASSWORD, Cost, hashed, parse_hash, prepared

CHEAP = Cost(n=1024, r=8, p=1)
SALT = b"0123456789abcdef"
PASSWORD = "合言葉 open sesame"


def test_a_hash_is_written_and_read_back():
    """It fits its own password and no other, and scrypt itself says the same."""
    made = hashed(prepared(PASSWORD), salt=SALT, cost=CHEAP)
    read = parse_hash(str(made))
    assert read == made
    assert [read.fits(prepared(each)) for each in (PASSWORD, PASSWORD + " ", "x")] == [True, False, False]
    assert made.digest == hashlib.scrypt(PASSWORD.encode(), salt=SALT, n=1024, r=8, p=1, dklen=32)


def test_the_rfcs_own_example():
    """RFC 7914 section 12, the second vector: its first 32 octets are what we would keep."""
    made = hashed(b"password", salt=b"NaCl", cost=Cost(n=1024, r=8, p=16))
    assert made.digest.hex() == "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"


def test_a_new_hash_costs_what_owasp_asks_for():
    """N=2**15, r=8, p=3 stands in its list; and it is read back as sane."""
    assert (COST, COST.is_sane) == (Cost(n=2**15, r=8, p=3), True)


def test_no_hash_shows_itself():
    """A repr that lands in a log tells the cost at most."""
    assert repr(hashed(b"x", salt=SALT, cost=CHEAP)) == "PasswordHash(cost=Cost(n=1024, r=8, p=1))"


GOOD = str(hashed(b"x", salt=SALT, cost=CHEAP))
SALT_64, DIGEST_64 = GOOD.split("$")[4:]
COSTLY = "is a hash that costs too much or too little to compare"
NO_HASH = "is no password's hash"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NO_HASH),
        ("hunter2", NO_HASH),
        (GOOD + "\n", NO_HASH),
        (GOOD[:-1], NO_HASH),
        (GOOD.replace("scrypt", "bcrypt"), NO_HASH),
        (f"scrypt$1024$8$1${SALT_64}${DIGEST_64[:-2]}==", NO_HASH),
        (f"scrypt$1024$8$1$ab=c${DIGEST_64}", NO_HASH),
        (f"scrypt$1024$8$1${SALT_64}${'A' * 44}", NO_HASH),  # 33 octets
        (f"scrypt$0$8$1${SALT_64}${DIGEST_64}", COSTLY),
        (f"scrypt$512$8$1${SALT_64}${DIGEST_64}", COSTLY),
        (f"scrypt$1025$8$1${SALT_64}${DIGEST_64}", COSTLY),
        (f"scrypt$1024$0$1${SALT_64}${DIGEST_64}", COSTLY),
        (f"scrypt$1024$8$0${SALT_64}${DIGEST_64}", COSTLY),
        (f"scrypt$131072$16$1${SALT_64}${DIGEST_64}", COSTLY),  # 256 MiB
        (f"scrypt$131072$8$3${SALT_64}${DIGEST_64}", COSTLY),
        (f"scrypt$262144$1$1${SALT_64}${DIGEST_64}", COSTLY),
        (f"scrypt$1024$99$99${SALT_64}${DIGEST_64}", COSTLY),
    ],
)
def test_what_is_no_hash_that_we_can_afford(text, message):
    """A file can neither make us burn memory nor bring what is guessed at once; the text is not repeated."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_hash(text)


@pytest.mark.parametrize("cost", [Cost(n=2**17, r=8, p=2), Cost(n=2**10, r=16, p=99)])
def test_the_dearest_hash_that_is_read_can_be_compared(cost):
    """The bounds that we set and the room that we give OpenSSL agree."""
    assert cost.is_sane
    made = hashed(b"x", salt=SALT, cost=cost)
    assert len(made.digest) == DIGEST_OCTETS


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("カ\u3099", "ガ".encode()),
        ("a\u00a0b\u3000c", b"a b c"),
        ("ﾊﾟｽﾜｰﾄﾞ", "ﾊﾟｽﾜｰﾄﾞ".encode()),
        ("x" * MAX_PASSWORD, b"x" * MAX_PASSWORD),
    ],
)
def test_the_same_password_typed_in_two_ways(text, octets):
    """Composed and decomposed characters are one, spaces are spaces; width stays (RFC 8265)."""
    assert prepared(text) == octets


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\0b",
        "a\nb",
        "tab\t",
        "\x7f",
        "\u2028",
        "\ud800",
        "x" * (MAX_PASSWORD + 1),
        "語" * 334,
        "語" * 10**6,
    ],
)
def test_what_is_no_password(text):
    """Control characters, half characters, nothing, and more than the bound."""
    with pytest.raises(ValueError, match=r"holds a control character|must have 1 to 1000 octets"):
        prepared(text)
