"""What holds for a next hop, and that a password shows itself nowhere."""

import copy
import pickle
import ssl
from datetime import timedelta

import pytest

from relay.config import DeliveryConfig
from relay.delivery.smtp.policy import HopPolicy, hop_policies, tls_context
from relay.errors import BadInput
from relay.quantity import Rate
from relay.secret import Secret, secret_in_file
from tests.support.certificate import Authority

SMARTHOST = "mail.provider.example.jp:587"


def settings(**hop):
    """A smarthost with these settings of its own."""
    named = {"next_hops": {SMARTHOST: hop}} if hop else {}
    return DeliveryConfig.model_validate({"route": "smarthost", "smarthost": SMARTHOST, **named})


def private(path, octets):
    """A file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_bytes(octets)
    return path


def problems(chosen, environment=None):
    """What is wrong, as it is printed."""
    with pytest.raises(BadInput) as caught:
        hop_policies(chosen, environment or {})
    return str(caught.value)


def test_what_is_not_said_of_a_next_hop_is_as_for_all():
    """A next hop that nobody named has the settings of all; one that is named changes only what it names."""
    chosen = DeliveryConfig.model_validate(
        {
            "connections": 7,
            "rate": "60/m",
            "tls": "off",
            "next_hops": {"partner.example.jp": {"connections": 3}, "careful.example.jp": {"tls": "require"}},
        }
    )
    policies, rate = hop_policies(chosen, {}), Rate(60, timedelta(minutes=1))
    assert policies("other.example.jp") == HopPolicy(tls="off", connections=7, rate=rate)
    assert policies("partner.example.jp") == HopPolicy(tls="off", connections=3, rate=rate)
    assert policies("CAREFUL.example.jp") == HopPolicy(tls="require", connections=7, rate=rate)


def test_a_user_makes_encryption_required(tmp_path):
    """A password goes only to a host that has proved its name, whatever is said for the mails."""
    password = private(tmp_path / "password", "秘密 words\r\n".encode())
    for tls in ({}, {"tls": "opportunistic"}, {"tls": "require"}):
        policy = hop_policies(settings(user="relay", password_file=password, **tls), {})(SMARTHOST)
        assert (policy.tls, policy.user, policy.password) == (
            "require",
            "relay",
            Secret("秘密 words".encode()),
        )


def test_a_policy_that_would_say_a_password_in_clear_cannot_be_made():
    """Not even by a mistake of ours."""
    for tls in ("opportunistic", "off"):
        with pytest.raises(ValueError, match="proved its name"):
            HopPolicy(tls=tls, user="relay", password=Secret(b"x"))


def test_a_password_may_stand_in_the_environment():
    """As services under a supervisor are given theirs."""
    chosen = settings(user="relay", password_env="SMARTHOST_PASSWORD")
    policy = hop_policies(chosen, {"SMARTHOST_PASSWORD": "sword fish"})(SMARTHOST)
    assert policy.password == Secret(b"sword fish")
    assert problems(chosen) == "environment variable SMARTHOST_PASSWORD: is not set"
    empty = problems(chosen, {"SMARTHOST_PASSWORD": ""})
    assert empty == "environment variable SMARTHOST_PASSWORD: holds no password"


@pytest.mark.parametrize(
    ("octets", "mode", "problem"),
    [
        (b"x\n", 0o644, "holds a secret and is open to others (mode 644)"),
        (b"x\n", 0o660, "holds a secret and is open to others (mode 660)"),
        (b"\n", 0o600, "holds no password"),
        (b"one\ntwo\n", 0o600, "must be one line, without tabs or other controls"),
        (b"a\0b", 0o600, "must be one line, without tabs or other controls"),
        (b"x" * 5000, 0o600, "is larger than 4096 octets"),
        (None, 0, "cannot be read: No such file or directory"),
    ],
)
def test_a_password_file_that_cannot_be_used_keeps_the_relay_from_starting(tmp_path, octets, mode, problem):
    """The problem names the file and what to do, and shows nothing of what is in it."""
    path = tmp_path / "password"
    if octets is not None:
        path.write_bytes(octets)
        path.chmod(mode)
    said = problems(settings(user="relay", password_file=path))
    hint = " (chmod 600, or 640 where the relay reads it by its group)" if mode in (0o644, 0o660) else ""
    assert said == f"{path}: {problem}{hint}"


def test_a_group_may_read_a_password(tmp_path):
    """Mode 640 with the service's group is how root hands a file to a service."""
    path = private(tmp_path / "password", b"x")
    path.chmod(0o640)
    assert secret_in_file(path) == Secret(b"x")


def test_files_of_authorities_are_read_at_the_start(tmp_path):
    """A bundle that cannot be used is found before the first mail waits for it; all problems come at once."""
    good = Authority().ca_file(tmp_path)
    assert hop_policies(settings(tls="require", ca_file=good), {})(SMARTHOST).ca_file == good
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    chosen = DeliveryConfig.model_validate(
        {"next_hops": {"a.example.jp": {"ca_file": bad}, "b.example.jp": {"ca_file": tmp_path / "none.pem"}}}
    )
    assert problems(chosen).split("\n") == [
        f"{bad}: holds no certificates in PEM",
        f"{tmp_path / 'none.pem'}: cannot be read",
    ]


def test_a_proof_asks_for_name_and_certificate():
    """What require means to the TLS library, and what it does not ask of the others."""
    proved, any_one = (tls_context(is_proved=proved, ca_file=None) for proved in (True, False))
    assert (proved.verify_mode, proved.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (any_one.verify_mode, any_one.check_hostname) == (ssl.CERT_NONE, False)
    assert min(proved.minimum_version, any_one.minimum_version) >= ssl.TLSVersion.TLSv1_2


def test_a_secret_shows_itself_nowhere():
    """Printed, formatted, in a policy, pickled or copied: the word does not come out."""
    secret = Secret(b"swordfish")
    policy = HopPolicy(tls="require", user="relay", password=secret)
    shown = f"{secret} {secret!r} {secret!s:>20} {policy} {[policy]!r}"
    assert "swordfish" not in shown
    for write_out in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError, match="not written out"):
            write_out(secret)


def test_secrets_are_compared_by_what_they_hold():
    """So that policies can be compared; and not with what is no secret."""
    assert Secret(b"a") == Secret(b"a")
    assert len({Secret(b"a"), Secret(b"a"), Secret(b"b")}) == 2
    assert Secret(b"a") != b"a"
    assert Secret(b"swordfish").reveal() == b"swordfish"
