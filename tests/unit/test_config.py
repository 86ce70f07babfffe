"""The configuration file and the quantities in it."""

import os
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from relay.config import Config, DeliveryConfig, Timeouts, load
from relay.errors import BadInput
from relay.quantity import HostPort, domain, duration, flag, host_port, mail_address, network, size
from relay.source import MAX_FILE, read_source

SMALL = "hostname: Relay.Example.JP\nintake:\n  addresses: [orders@relay.example.jp]\n"


def _loaded(folder, text):
    path = folder / "denrei.yaml"
    path.write_text(text, "utf-8")
    return load(path)


def test_a_small_file_gives_every_default(tmp_path):
    """Only the host's name and the intake address must be given; paths are meant from the file's folder."""
    config = _loaded(tmp_path, SMALL)
    minutes, seconds = (lambda n: timedelta(minutes=n)), (lambda n: timedelta(seconds=n))
    assert config.model_dump() == {
        "hostname": "relay.example.jp",
        "intake": {
            "addresses": ("orders@relay.example.jp",),
            "listen": HostPort("127.0.0.1", 2525),
            "networks": (ip_network("127.0.0.0/8"), ip_network("::1/128")),
            "bounces_from": (),
            "listen_tls": None,
            "tls": None,
            "require_tls": False,
            "users": None,
            "on_unreadable": "quarantine",
            "max_message": 10 * 1024 * 1024,
            "max_connections": 200,
            "max_recipients": 10,
            "max_connections_per_client": 50,
            "mails_per_minute": 30_000,
            "max_line": 998,
            "max_header": 64 * 1024,
            "max_hops": 50,
            "max_document": 2 * 1024 * 1024,
            "bare_line_ends": "reject",
            "timeout": minutes(5),
        },
        "store": {"path": tmp_path / "denrei.db"},
        "delivery": {
            "route": "mx",
            "smarthost": None,
            "routes": {},
            "bounce_address": "bounce@relay.example.jp",
            "connections": 20,
            "rate": None,
            "tls": "opportunistic",
            "next_hops": {},
            "suspend_after": 5,
            "probe": minutes(10),
            "mails_per_connection": 1000,
            "idle": seconds(30),
            "retry": tuple(map(minutes, (1, 5, 15, 30, 60, 120, 240))),
            "lifetime": timedelta(days=5),
            "lease": minutes(10),
            "timeouts": {
                "connect": seconds(30),
                "greeting": minutes(5),
                "command": minutes(5),
                "data": minutes(3),
                "end_of_data": minutes(10),
            },
            "memory": 2000,
        },
        "notices": {
            "operators": (),
            "language": "ja",
            "sender": None,
            "delay_after": timedelta(hours=4),
            "no_success_after": timedelta(days=1),
            "gather": minutes(15),
        },
        "dkim": {},
        "monitor": {"listen": None},
        "registrations": tmp_path / "registrations",
        "templates": None,
    }


def test_every_key_is_taken(tmp_path):
    """What the file says is what the relay does: each key with another value than its default."""
    config = _loaded(
        tmp_path,
        """\
hostname: relay.example.jp
intake:
  addresses: [a@relay.example.jp, b@relay.example.jp]
  listen: "[::]:25"
  networks: [192.0.2.0/24, 2001:db8::1]
  on_unreadable: reject
  max_message: 512KiB
  max_connections: 50
  max_recipients: 2
  timeout: 1h30m
store: {path: /var/lib/denrei/denrei.db}
delivery:
  route: smarthost
  smarthost: mail.example.jp:587
  routes: {Partner.Example.jp: 192.0.2.25:2525}
  bounce_address: returns@bounce.example.jp
  connections: 3
  mails_per_connection: 4
  idle: 5s
  retry: [2m, 1d]
  lifetime: 2d
  lease: 20m
  timeouts: {connect: 1s, greeting: 2s, command: 3s, data: 4s, end_of_data: 5s}
  memory: 10
registrations: /etc/denrei/registrations
templates: our_templates
""",
    )
    assert config.intake.listen == HostPort("::", 25)
    assert config.intake.networks == (ip_network("192.0.2.0/24"), ip_network("2001:db8::1/128"))
    assert (config.intake.max_message, config.intake.timeout) == (512 * 1024, timedelta(minutes=90))
    assert config.store.path == Path("/var/lib/denrei/denrei.db")
    assert config.delivery == DeliveryConfig(
        route="smarthost",
        smarthost=HostPort("mail.example.jp", 587),
        routes={"partner.example.jp": HostPort("192.0.2.25", 2525)},
        bounce_address="returns@bounce.example.jp",
        connections=3,
        mails_per_connection=4,
        idle=timedelta(seconds=5),
        retry=(timedelta(minutes=2), timedelta(days=1)),
        lifetime=timedelta(days=2),
        lease=timedelta(minutes=20),
        timeouts=Timeouts(
            **dict(zip(Timeouts.model_fields, map(duration, ("1s", "2s", "3s", "4s", "5s")), strict=True))
        ),
        memory=10,
    )
    assert (config.registrations, config.templates) == (
        Path("/etc/denrei/registrations"),
        tmp_path / "our_templates",
    )


def test_a_section_with_everything_commented_out_is_empty(tmp_path):
    """`delivery:` with nothing below it is what is left when a person comments its keys out."""
    assert _loaded(tmp_path, SMALL + "delivery:\n  # idle: 5s\nstore:\n") == _loaded(tmp_path, SMALL)


def test_a_configuration_cannot_be_changed(tmp_path):
    """What was checked stays what it was."""
    with pytest.raises(ValueError, match="frozen"):
        _loaded(tmp_path, SMALL).hostname = "other.example.jp"


def test_a_folder_is_known_by_the_file_s_own_place(tmp_path, monkeypatch):
    """A relative path on the command line does not change what relative paths in the file mean."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "denrei.yaml").write_text(SMALL, "utf-8")
    monkeypatch.chdir(tmp_path)
    assert load(Path("etc/denrei.yaml")).store.path == tmp_path / "etc" / "denrei.db"


def test_the_schema_can_be_written():
    """Editors get a JSON Schema of the file, in which quantities are text."""
    schema = Config.model_json_schema()
    assert schema["required"] == ["hostname", "intake"]
    assert schema["$defs"]["IntakeConfig"]["properties"]["timeout"]["type"] == "string"


GOOD_QUANTITIES = [
    (duration, "30s", timedelta(seconds=30)),
    (duration, "1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    (duration, "366d", timedelta(days=366)),
    (size, "1B", 1),
    (size, "10 MiB", 10485760),
    (size, "1GiB", 1073741824),
    (flag, "Y", True),
    (flag, "N", False),
    (host_port, "mail.example.jp:25", ("mail.example.jp", 25)),
    (host_port, "127.0.0.1:0", ("127.0.0.1", 0)),
    (host_port, "[2001:db8::1]:65535", ("2001:db8::1", 65535)),
    (domain, "Partner-1.Example.JP", "partner-1.example.jp"),
    (mail_address, "a.b+c_d=e@x-1.example.jp", "a.b+c_d=e@x-1.example.jp"),
    (mail_address, "a" * 64 + "@example.jp", "a" * 64 + "@example.jp"),
    (network, "192.0.2.0/24", ip_network("192.0.2.0/24")),
    (network, "::1", ip_network("::1/128")),
]
BAD_QUANTITIES = {
    duration: [
        "",
        "5",
        "5 m",
        "5M",
        "m",
        "1m1h",
        "1.5h",
        "-5m",
        "0s",
        "367d",
        "999999d",
        "9999999s",
        "５m",
        "5m\n",
    ],
    size: ["", "10", "10MB", "10mib", "0B", "2GiB", "1.5MiB", "-1KiB", "10MiB\n"],
    flag: ["", "y", "n", "yes", "no", "1", "Ｙ", "Y "],
    host_port: [
        "",
        "25",
        "mail.example.jp",
        "mail.example.jp:",
        ":25",
        "a b:25",
        "::1:25",
        "[::1]25",
        "[::g]:25",
        "[1.2.3.4]:25",
        "mail.example.jp:65536",
        "-a:25",
        "a..b:25",
        "mail.example.jp:25\r\nQUIT",
        "メール:25",
    ],
    domain: [
        "",
        "localhost",
        ".example.jp",
        "example.jp.",
        "a..jp",
        "-a.jp",
        "a_b.jp",
        "例.jp",
        "x" * 64 + ".jp",
        ".".join(["a" * 60] * 5),
        "example.jp\n",
    ],
    mail_address: [
        "",
        "a",
        "@example.jp",
        "a@",
        "a@localhost",
        "a b@example.jp",
        ".a@example.jp",
        "a.@example.jp",
        "a..b@example.jp",
        '"a"@example.jp',
        "a@b@example.jp",
        "<a@example.jp>",
        "a@example.jp,b@example.jp",
        "a@example.jp\r\nBcc: b@example.jp",
        "a@example.jp\n",
        "a\0@example.jp",
        "山田@example.jp",
        "a@例.jp",
        "a" * 65 + "@example.jp",
        "a@" + ".".join(["b" * 60] * 5),
        "a(c)@example.jp",
        "a@[192.0.2.1]",
        "a;b@example.jp",
    ],
    network: ["", "192.0.2.1/24", "192.0.2.0/33", "example.jp", "192.0.2"],
}


@pytest.mark.parametrize(("read", "text", "value"), GOOD_QUANTITIES)
def test_a_quantity_is_read(read, text, value):
    """What a person types gives the value that it says."""
    assert read(text) == value


@pytest.mark.parametrize("read", BAD_QUANTITIES, ids=lambda read: read.__name__)
def test_a_quantity_that_is_none_is_refused(read):
    """Whatever else is typed is refused with one sentence on one row that shows it."""
    for text in BAD_QUANTITIES[read]:
        with pytest.raises(ValueError, match=r"^must (be|have|begin).*, is '[^\n]*'$"):
            read(text)


def test_a_host_and_port_is_printed_as_it_is_typed():
    """An IPv6 address gets its brackets back."""
    assert [str(host_port(text)) for text in ("[::1]:25", "a.example.jp:25")] == [
        "[::1]:25",
        "a.example.jp:25",
    ]


def test_what_is_no_readable_file_is_refused_without_waiting(tmp_path):
    """A missing file, a folder, a named pipe that nobody writes to, and a file beyond the bound."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * (MAX_FILE + 1))
    said = {}
    for name in ("missing", ".", "pipe", "large"):
        with pytest.raises(BadInput) as refused:
            read_source(tmp_path / name)
        said[name] = str(refused.value).removeprefix(f"{tmp_path}").removeprefix("/").removeprefix(name)
    assert said == {
        "missing": ": cannot be read: No such file or directory",
        ".": ": cannot be read: Is a directory",
        "pipe": ": is not a regular file",
        "large": f": is larger than {MAX_FILE} octets",
    }


def test_a_file_of_exactly_the_bound_is_read(tmp_path):
    """The bound is what it says."""
    (tmp_path / "large").write_bytes(b"#" * 100)
    assert read_source(tmp_path / "large", limit=100) == b"#" * 100
