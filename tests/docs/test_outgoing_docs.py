"""docs/outgoing.md: its configuration can be used, and it names what is signed."""

import re
from pathlib import Path

from relay.compose.dkim import MAX_RSA_BITS, MIN_RSA_BITS, SIGNED
from relay.config import load
from relay.delivery.smtp.policy import HopPolicy, hop_policies
from relay.secret import Secret
from tests.support.certificate import Authority

DOCUMENT = (Path(__file__).parents[2] / "docs" / "outgoing.md").read_text("utf-8")


def test_the_configuration_does_what_the_page_says(tmp_path):
    """It is accepted as it stands, and means a signed-in provider and a partner that must prove itself."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "provider").touch(mode=0o600)
    (tmp_path / "secrets" / "provider").write_text("swordfish\n")
    authority = Authority().ca_file(tmp_path).rename(tmp_path / "secrets" / "partner-authority.pem")
    (tmp_path / "denrei.yaml").write_text(DOCUMENT.split("```yaml\n")[1].split("```")[0])
    config = load(tmp_path / "denrei.yaml")
    policies = hop_policies(config.delivery, {})
    assert policies("mail.provider.example.jp:587") == HopPolicy(
        tls="require", user="relay@example.jp", password=Secret(b"swordfish")
    )
    assert policies("mx.partner.example.jp:25") == HopPolicy(tls="require", ca_file=authority)
    assert config.dkim["example.jp"].key_file == tmp_path / "secrets" / "dkim.pem"


def test_the_signed_headers_are_those_of_the_page():
    """All of them, in the order of the signature; and the lengths of keys."""
    signed = DOCUMENT.partition("- Signed: ")[2].partition(". Each")[0]
    assert [name.lower().encode() for name in re.findall("`([^`]+)`", signed)] == list(SIGNED)
    assert f"From {MIN_RSA_BITS} to {MAX_RSA_BITS} bits are taken" in DOCUMENT
