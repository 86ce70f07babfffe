"""SMTP's commands as octets, and the replies."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.intake.session import door, reply, wire
from relay.intake.session.door import Reply
from relay.intake.session.wire import Sender


def test_the_examples_in_the_docstrings_hold():
    """What the documentation of the two modules shows is what they do."""
    for module in (wire, door):
        assert doctest.testmod(module).failed == 0


@given(st.text(max_size=40))
def test_a_reply_is_one_printable_line_whatever_it_says(text):
    """Nothing that comes from outside can add a line to the dialogue."""
    line = Reply(code=550, text=text).line()
    assert line.endswith(b"\r\n")
    assert line[:-2].isascii()
    assert line[:-2].decode().isprintable()


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_any_octets_are_a_command_or_a_refusal(line):
    """A command line never raises, and what passes is printable: ASCII, but in MAIL and RCPT."""
    for prefix in (b"", b"MAIL FROM:<", b"AUTH "):
        command = wire.parse_command(prefix + line + b"\r\n")
        if isinstance(command, Reply):
            assert 500 <= command.code < 600
        else:
            said = command.verb + command.argument
            assert said.isprintable()
            assert said.isascii() or command.verb in {"MAIL", "RCPT"}


@pytest.mark.parametrize(
    ("length", "verb", "refusal"),
    [
        (1024, "NOOP", None),
        (1025, "NOOP", reply.COMMAND_TOO_LONG),
        (12_288, "auth", None),
        (12_289, "auth", reply.COMMAND_TOO_LONG),
        (1025, "authority", reply.COMMAND_TOO_LONG),
    ],
)
def test_a_line_may_be_as_long_as_its_command_needs(length, verb, refusal):
    """A password may be long, other commands are short."""
    line = f"{verb} ".encode().ljust(length - 2, b"x") + b"\r\n"
    command = wire.parse_command(line)
    assert (command if isinstance(command, Reply) else None) == refusal


def no_unusual(path):
    raise AssertionError(path)


@pytest.mark.parametrize(
    ("argument", "sender"),
    [
        ("FROM:<>", Sender(address="", size=None)),
        ("from: <a@example.jp> size=10", Sender(address="a@example.jp", size=10)),
        ("FROM:<店@例え.jp> SMTPUTF8", Sender(address="店@例え.jp", size=None, is_utf8=True)),
        ("FROM:<a@b> AUTH=<> BODY=8bitmime", Sender(address="a@b", size=None)),
        ("FROM:<店@例え.jp>", reply.NEEDS_SMTPUTF8),
        ("FROM:<a@b> AUTH=+zz", reply.BAD_PARAMETERS),
        ("FROM:<a@b> SMTPUTF8=", reply.BAD_PARAMETERS),
        ("FROM:<a@b> NOTIFY=NEVER", reply.UNKNOWN_PARAMETER),
        ("FROM:<" + "あ" * 22 + "@b> SMTPUTF8", reply.LONG_ADDRESS),
        ("FROM:<" + "あ" * 21 + "@b> SMTPUTF8", Sender(address="あ" * 21 + "@b", size=None, is_utf8=True)),
    ],
)
def test_what_mail_says(argument, sender):
    """Address and parameters, each read or refused; lengths are octets."""
    found = wire.parse_sender(argument, limit=100, is_extended=True, may_sign_in=True, unusual=no_unusual)
    assert found == sender


def test_what_was_not_offered_is_no_parameter():
    """Behind HELO there is no parameter at all, and without AUTH none of that name."""
    for parameter in ("SIZE=1", "BODY=7BIT", "SMTPUTF8", "AUTH=<>"):
        argument = f"FROM:<a@b> {parameter}"
        found = wire.parse_sender(argument, limit=9, is_extended=False, may_sign_in=False, unusual=no_unusual)
        assert found == reply.UNKNOWN_PARAMETER
    found = wire.parse_sender(
        "FROM:<a@b> AUTH=<>", limit=9, is_extended=True, may_sign_in=False, unusual=no_unusual
    )
    assert found == reply.UNKNOWN_PARAMETER


@pytest.mark.parametrize("verb", ["EHLO", "HELO", "STARTTLS", "AUTH", "DATA"])
def test_nobody_speaks_behind_a_command_that_changes_how_octets_are_read(verb):
    """Pipelining or not: these are the last of their packet; alone they are in turn."""
    for may_pipeline in (False, True):
        assert wire.is_out_of_turn(verb, has_more=True, may_pipeline=may_pipeline)
        assert not wire.is_out_of_turn(verb, has_more=False, may_pipeline=may_pipeline)


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "RSET", "NOOP", "VRFY", "", "WHAT"])
def test_other_commands_are_pipelined_where_that_was_offered(verb):
    """RFC 2920's groups, and nothing before they were announced."""
    assert not wire.is_out_of_turn(verb, has_more=True, may_pipeline=True)
    assert wire.is_out_of_turn(verb, has_more=True, may_pipeline=False)


def test_ehlo_announces_what_there_is():
    """A row for each extension, the last one without a hyphen."""
    assert reply.ehlo("r.example.jp", max_message=9, may_secure=True, mechanisms=("PLAIN", "LOGIN")) == (
        b"250-r.example.jp\r\n250-PIPELINING\r\n250-SIZE 9\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
        b"250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES\r\n"
    )
