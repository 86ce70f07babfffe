"""A relay in a process of its own is told to stop while mails are on the wire: bounded, nothing is lost."""

import email
import email.policy
import signal
import smtplib
import time
from collections import defaultdict

from tests.acceptance.test_crash import REGISTRATIONS, _pack_no, _send
from tests.support.serving import ServedRelay, partner_server, silent_server, write_config

MAILS = 4  # notifications, each with three deliveries


def _arrivals(mails):
    """Message-IDs by recipient and pack."""
    found = defaultdict(set)
    for mail in mails:
        message = email.message_from_bytes(mail.content, policy=email.policy.default)
        found[mail.rcpt_tos[0], _pack_no(mail.content)].add(message["Message-ID"])
    return found


def test_sigterm_hands_back_what_hangs_and_a_second_signal_does_so_at_once(tmp_path):
    """The first signal gives the wire its grace, the second ends it; the next life sends each mail once."""
    with silent_server() as port:
        config = write_config(
            tmp_path, routes={"partner.example.jp": port}, registrations={"example-shop.yaml": REGISTRATIONS}
        )
        with ServedRelay(config) as relay:
            with smtplib.SMTP(*relay.address) as client:
                for number in range(MAILS):
                    _send(client, number)
            relay.signal(signal.SIGTERM)
            relay.until_logged("stopping")
            start = time.monotonic()
            relay.signal(signal.SIGTERM)
            assert relay.ended(20) == 0
            assert time.monotonic() - start < 15
        log = "".join(relay.log)
        assert "a second signal came" in log or "relay stopped" in log
        assert "Traceback" not in log

    with partner_server(port) as (partner, _), ServedRelay(config):
        partner.wait_until(lambda mails: len(_arrivals(mails)) == 3 * MAILS)
    assert {len(identifiers) for identifiers in _arrivals(partner.mails).values()} == {1}


def test_sigterm_lets_running_mails_end_and_leaves_nothing_leased(tmp_path):
    """A partner that answers: whatever was accepted is delivered once, before or after the restart."""
    with partner_server() as (partner, port):
        config = write_config(
            tmp_path, routes={"partner.example.jp": port}, registrations={"example-shop.yaml": REGISTRATIONS}
        )
        with ServedRelay(config) as relay:
            with smtplib.SMTP(*relay.address) as client:
                for number in range(MAILS):
                    _send(client, number)
            relay.signal(signal.SIGTERM)
            assert relay.ended(40) == 0
        with ServedRelay(config):
            partner.wait_until(lambda mails: len(_arrivals(mails)) == 3 * MAILS)
    assert {len(identifiers) for identifiers in _arrivals(partner.mails).values()} == {1}
