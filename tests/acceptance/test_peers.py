"""Against a running relay: swaks, Postfix's smtp-source and smtp-sink, openssl. Counts and exit codes."""

import contextlib
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.support.certificate import Authority
from tests.support.mail import json_mail, order_info
from tests.support.peer_tool import ended, missing, needed, received, smtp_sink
from tests.support.serving import ServedRelay, free_port, partner_server

ADDRESS, SENDER = "orders@relay.example.jp", "market@example.jp"
USER, PASSWORD = "market", "Fuji-3776-m"
HOST = "relay.example.jp"
# swaks' exit codes, from its manual.
GOOD, NO_RECIPIENT, NOT_TAKEN, NO_AUTH, NO_TLS = 0, 24, 26, 28, 29

FAULTS = {
    "refuses": ("-f", "RCPT", "-B", "550 5.7.1 not for you"),
    "later": ("-r", "DATA", "-b", "450 4.3.0 later"),
    "hangs-up": ("-q", "."),
    "closes": ("-Q", "MAIL"),
    "slow": ("-W", ".:1"),
    "plain": ("-e", "-p"),
}
LATER = ("later", "hangs-up", "closes")


class Site:
    """A relay that runs, its store, and its partners."""

    def __init__(self, folder, partner):
        self.folder = folder
        self.partner = partner
        self.relay = None

    @property
    def server(self):
        return "{}:{}".format(*self.relay.address)

    @property
    def encrypted(self):
        return next(found[1] for row in self.relay.log if (found := re.search(r"encrypted=(\S+)", row)))

    def asked(self, question, *values):
        """The rows of an answer of the store."""
        with sqlite3.connect(f"file:{self.folder / 'denrei.db'}?mode=ro", uri=True, timeout=10) as store:
            rows = store.execute(question, values).fetchall()
        store.close()
        return rows

    def events(self):
        """How often each thing happened."""
        return Counter(dict(self.asked("SELECT event, count(*) FROM journal GROUP BY event")))

    def events_of(self, seller):
        """What happened to a seller's mails."""
        return {
            row[0] for row in self.asked("SELECT DISTINCT event FROM journal WHERE seller_id = ?", seller)
        }

    def until(self, question, expected, *values):
        """Wait until the store answers so; fails with its last answer."""
        end = time.monotonic() + 30
        while (answer := self.asked(question, *values)) != expected:
            assert time.monotonic() < end, answer
            time.sleep(0.02)  # another process's store can only be asked again

    def swaks(self, *options, to=ADDRESS, content=None, server=None):
        """Its exit code and what it said; `content` has LF line ends, as swaks wants it."""
        data = () if content is None else ("--data", "@" + str(self.written(content)))
        where = ("--server", self.server) if server is None else ("--pipe", server)
        command = (needed("swaks"), *where, "--from", SENDER, "--to", to, "--helo", "market.example.jp")
        done = ended(*command, *data, *options)
        return done.returncode, done.stdout.decode()

    def written(self, content):
        path = self.folder / "content.eml"
        path.write_bytes(content)
        return path


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One relay for all: TLS, a user, a good partner, and one smtp-sink's place for each fault."""
    folder = tmp_path_factory.mktemp("peers")
    authority = Authority()
    certificate, key = authority.server_files(folder, HOST)
    authority.ca_file(folder)
    ports = {name: free_port() for name in FAULTS}
    (folder / "registrations").mkdir()
    _register(folder, "shop", "orders@partner.example.jp")
    for name in FAULTS:
        _register(folder, name, f"orders@{name}.example.jp")
    with partner_server() as (partner, port):
        routes = {"partner": port, **ports}
        table = "".join(f"    {name}.example.jp: 127.0.0.1:{at}\n" for name, at in routes.items())
        config = folder / "denrei.yaml"
        config.write_text(
            f"hostname: {HOST}\n"
            f"intake:\n  listen: 127.0.0.1:0\n  listen_tls: 127.0.0.1:0\n  addresses: [{ADDRESS}]\n"
            f"  tls: {{certificate: {certificate}, key: {key}}}\n  users: users.yaml\n"
            f"delivery:\n  retry: [1s]\n  routes:\n{table}",
            encoding="utf-8",
        )
        command = ("denrei", "--config", config, "user", "set", USER)
        made = ended(*_python(*command[1:]), stdin=f"{PASSWORD}\n".encode())
        assert made.returncode == 0, made
        made = Site(folder, partner)
        made.ports = ports
        with ServedRelay(config) as relay:
            made.relay = relay
            yield made


def _python(*arguments):
    return (sys.executable, "-m", "relay.cli", *arguments)


def _register(folder, seller, recipient):
    text = (
        f"seller: {seller}\nregistrations:\n"
        f"  - {{id: orders, template: stock_gear/order_info, recipients: [{recipient}]}}\n"
    )
    (folder / "registrations" / f"{seller}.yaml").write_text(text, encoding="utf-8")


def _order(seller, number):
    tree = order_info(
        event_id=f"e-{number}",
        seller_id=seller,
        pack__pack_no=f"{300_000_000 + number}",
        pack__memos=["急ぎません"],
    )
    return json_mail(tree).replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("number", "options"),
    list(enumerate([(), ("--pipeline",), ("--protocol", "SMTP"), ("--protocol", "ESMTP")])),
)
def test_swaks_is_served(site, number, options):
    """Plain, pipelined, by HELO, by EHLO: the partner has one mail more; the same again sends none."""
    before = len(site.partner.mails)
    code, said = site.swaks(*options, content=_order("shop", 1_000 + number))
    assert (code, "250 2.0.0 accepted as" in said) == (GOOD, True), said
    site.partner.wait_for(before + 1)
    code, said = site.swaks(*options, content=_order("shop", 1_000 + number))
    assert (code, "known already as" in said) == (GOOD, True), said
    assert len(site.partner.mails) == before + 1


@pytest.mark.parametrize(
    ("sender", "to"),
    [
        (SENDER, "victim@elsewhere.example.com"),
        ("", "victim@elsewhere.example.com"),
        (SENDER, "victim%elsewhere.example.com@relay.example.jp"),
        (SENDER, "@relay.example.jp:victim@elsewhere.example.com"),
        (SENDER, '"victim@elsewhere.example.com"@relay.example.jp'),
        ("", "bounce+0123456789abcdef-aaaaaaaa@relay.example.jp"),
    ],
)
def test_swaks_finds_no_open_relay(site, sender, to):
    """No recipient that is not ours is taken, in whatever spelling, and nothing is stored."""
    before = site.events()
    code, said = site.swaks("--from", sender or "<>", to=to)
    assert code == NO_RECIPIENT, said
    assert re.search(r"<\*\* 5[0-9][0-9] ", said)
    assert site.events() == before


def test_a_bare_line_end_is_refused(site):
    """What could smuggle a second mail is refused whole, and nothing of it is stored."""
    before = site.events()
    inner = b"Subject: x\r\n\r\nhello\n.\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n.\r\n"
    code, said = site.swaks("--no-data-fixup", content=inner)
    assert code == NOT_TAKEN, said
    assert site.events() == before


def test_dots_come_through(site):
    """Rows of dots, as they were: what swaks doubles is single again."""
    content = b"Subject: dots\n\n.\n..\n.x\n...\n\n. \nend\n"
    code, said = site.swaks(content=content)
    assert code == GOOD, said
    kept = re.search(r"kept in quarantine as (\w+)", said)
    assert kept
    ((stored,),) = site.asked("SELECT content FROM quarantine WHERE id = ?", kept[1])
    assert stored.replace(b"\r\n", b"\n").rstrip(b"\n") == content.rstrip(b"\n")


def test_no_password_in_clear(site):
    """AUTH is not announced before encryption, and swaks gives up."""
    code, said = site.swaks("--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD)
    assert (code, " AUTH" in said.replace("***", "")) == (NO_AUTH, False), said


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(("password", "expected"), [(PASSWORD, GOOD), ("Fuji-3776", NO_AUTH)])
def test_swaks_signs_in_through_openssl(site, mechanism, password, expected):
    """Over TLS from the first octet, with a certificate that openssl has proved: the right password only."""
    tunnel = _tunnel(site, site.folder / "authority.pem")
    code, said = site.swaks(
        "--auth", mechanism, "--auth-user", USER, "--auth-password", password,
        content=_order("shop", 2_000 + len(mechanism)), server=tunnel,
    )  # fmt: skip
    assert code == expected, said


def test_a_wrong_certificate_ends_it(site, tmp_path):
    """A client that trusts another authority says no mail to the relay."""
    before = site.events()
    code, said = site.swaks(
        content=_order("shop", 3_000), server=_tunnel(site, Authority().ca_file(tmp_path))
    )
    assert code != GOOD, said
    assert site.events() == before


def _tunnel(site, ca_file):
    openssl = needed("openssl")
    return (
        f"{openssl} s_client -quiet -verify_quiet -verify_return_error -verify_hostname {HOST} "
        f"-CAfile {ca_file} -connect {site.encrypted}"
    )


def test_openssl_speaks_starttls(site):
    """By STARTTLS with a proved certificate AUTH is announced, and TLS 1.1 is not spoken."""
    command = (
        needed("openssl"), "s_client", "-quiet", "-starttls", "smtp", "-verify_return_error",
        "-verify_hostname", HOST, "-CAfile", site.folder / "authority.pem", "-connect", site.server,
    )  # fmt: skip
    assert b"250-AUTH PLAIN LOGIN\r\n" in _spoken(command)
    assert _spoken((*command, "-tls1_1")) == b""


def _spoken(command):
    """What is said over the encrypted connection to EHLO and, once that is answered, QUIT."""
    with subprocess.Popen(
        [str(each) for each in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    ) as child:
        said = b""
        for words in (b"EHLO market.example.jp\r\n", b"QUIT\r\n"):
            with contextlib.suppress(BrokenPipeError):
                child.stdin.write(words)
            while (row := child.stdout.readline()) and row[3:4] == b"-":
                said += row
            said += row
    return said


def test_swaks_speaks_starttls(site, tmp_path):
    """By its own TLS: a proved certificate, the password over it, a mail; by a wrong authority nothing."""
    needed("swaks")
    if ended("perl", "-MNet::SSLeay", "-e1").returncode:
        missing("Perl's Net::SSLeay (Debian: libnet-ssleay-perl)")
    trusting = ("--tls", "--tls-verify", "--tls-sni", HOST, "--tls-ca-path")
    sign_in = ("--auth", "PLAIN", "--auth-user", USER, "--auth-password")
    ours, other = str(site.folder / "authority.pem"), str(Authority().ca_file(tmp_path))
    code, said = site.swaks(*trusting, ours, *sign_in, PASSWORD, content=_order("shop", 4_000))
    assert (code, "250 2.0.0 accepted as" in said) == (GOOD, True), said
    assert site.swaks(*trusting, ours, *sign_in, "wrong")[0] == NO_AUTH
    assert site.swaks(*trusting, other, *sign_in, PASSWORD)[0] == NO_TLS


def test_many_sessions_at_once_make_one_notification(site):
    """A hundred times the same order over ten sessions: one is accepted, the others are known."""
    before = site.events()
    mails = len(site.partner.mails)
    content = site.written(_order("shop", 5_000))
    command = (needed("smtp-source"), "-s", "10", "-m", "100", "-f", SENDER, "-t", ADDRESS, "-F", content)
    done = ended(*command, site.server)
    assert done.returncode == 0, done
    site.partner.wait_for(mails + 1)
    site.until("SELECT count(*) FROM delivery WHERE state = 'sending'", [(0,)])
    new = site.events() - before
    assert new == Counter(accepted=1, duplicate=99, delivered=1)
    assert len(site.partner.mails) == mails + 1


@pytest.mark.parametrize("kept", [(), ("-d",)])
def test_what_is_no_order_is_kept_each_time(site, kept):
    """Two hundred mails of smtp-source's own, over new connections and over kept ones: all in quarantine."""
    before = site.events()
    command = (
        needed("smtp-source"),
        "-s",
        "20",
        "-m",
        "200",
        "-l",
        "4000",
        "-f",
        SENDER,
        "-t",
        ADDRESS,
        *kept,
    )
    done = ended(*command, site.server)
    assert done.returncode == 0, done
    assert site.events() - before == Counter(quarantined=200)


@pytest.mark.parametrize("fault", FAULTS)
def test_smtp_sink_gets_each_mail_once(site, fault, tmp_path):
    """While it misbehaves, mails wait or bounce as they should; afterwards what waits arrives, once each."""
    mails = 2 if fault == "closes" else 5  # one that closes is given ever more time between two mails
    state = "SELECT state, count(*) FROM delivery WHERE seller_id = ? GROUP BY state"
    bad, good = tmp_path / "bad", tmp_path / "good"
    with smtp_sink(site.ports[fault], bad, *FAULTS[fault]):
        for number in range(mails):
            code, said = site.swaks(content=_order(fault, 6_000 + 10 * list(FAULTS).index(fault) + number))
            assert code == GOOD, said
        if fault in LATER:
            tried = "SELECT count(*) > 0 FROM delivery WHERE seller_id = ? AND attempts > 0"
            site.until(tried, [(1,)], fault)
            assert site.events_of(fault) == {"accepted", "deferred"}
        else:
            site.until(state, [("bounced" if fault == "refuses" else "delivered", mails)], fault)
    if fault not in LATER:
        assert received(bad) == (0 if fault == "refuses" else mails)
        return
    assert (received(bad) > 0) == (fault == "hangs-up")  # which has the mail, and nobody can know
    with smtp_sink(site.ports[fault], good):
        site.until(state, [("delivered", mails)], fault)
    assert received(good) == mails
