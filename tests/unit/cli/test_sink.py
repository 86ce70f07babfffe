"""The sink: faults as they are written, mails as they are kept, faults as they strike over real SMTP."""

import asyncio
import smtplib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relay.errors import BadInput
from relay.intake.session.door import ListenerSettings
from relay.intake.session.listener import Listener
from relay.sink import Fault, FaultKind, Folder, ReceivedMail, Sink, Verb, parse_fault
from tests.support.clock import ManualClock

MAIL = "From: 出荷 <a@example.jp>\r\nSubject: hello\r\n\r\n.先頭の点\r\n本文\r\n".encode()


def talk(sink: Sink, story: Callable[[int], Any]) -> Any:
    """Run the sink on a free port while `story` talks to it from a thread."""

    async def run() -> Any:
        listener = Listener(sink, ListenerSettings(), hostname="sink.example.jp")
        await listener.start()
        try:
            return await asyncio.to_thread(story, listener.port)
        finally:
            await listener.stop(0.0)

    return asyncio.run(run())


def send(port: int, *, content: bytes = MAIL) -> Any:
    """Send one mail as a partner's client would, and return what the last reply said."""
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
            client.ehlo("client.example.jp")
            for step in (
                lambda: client.mail("a@example.jp"),
                lambda: client.rcpt("orders@partner.example.jp"),
                lambda: client.data(content),
            ):
                code, text = step()
                if code >= 300:
                    break
            return code, text
    except smtplib.SMTPServerDisconnected:
        return "dropped"
    except smtplib.SMTPResponseException as error:
        return error.smtp_code, error.smtp_error


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("refuse@rcpt:0.3", Fault(kind=FaultKind.REFUSE, verb=Verb.RCPT, rate=0.3)),
        ("hang@data", Fault(kind=FaultKind.HANG, verb=Verb.DATA, rate=1.0)),
        ("drop@mail:1", Fault(kind=FaultKind.DROP, verb=Verb.MAIL, rate=1.0)),
        ("defer@connect:.5", Fault(kind=FaultKind.DEFER, verb=Verb.CONNECT, rate=0.5)),
        ("refuse@message", Fault(kind=FaultKind.REFUSE, verb=Verb.MESSAGE, rate=1.0)),
    ],
)
def test_a_fault_is_read_as_written(text: str, fault: Fault) -> None:
    """Kind, verb and rate are taken from the text; no rate means always."""
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must be kind@verb or kind@verb:rate, such as refuse@rcpt:0.3"),
        ("refuse", "must be kind@verb or kind@verb:rate, such as refuse@rcpt:0.3"),
        ("refuse@rcpt:", "must be kind@verb or kind@verb:rate, such as refuse@rcpt:0.3"),
        ("refuse@rcpt:-1", "must be kind@verb or kind@verb:rate, such as refuse@rcpt:0.3"),
        ("refuse@rcpt:nan", "must be kind@verb or kind@verb:rate, such as refuse@rcpt:0.3"),
        ("refuse@rcpt:０.３", "must be kind@verb or kind@verb:rate, such as refuse@rcpt:0.3"),
        ("refuse@rcpt\n", "must be kind@verb or kind@verb:rate, such as refuse@rcpt:0.3"),
        ("explode@rcpt", "the kind must be one of refuse, defer, hang, drop"),
        ("refuse@helo", "the verb must be one of connect, mail, rcpt, data, message"),
        ("refuse@rcpt:0", "the rate must be above 0 and at most 1"),
        ("refuse@rcpt:1.5", "the rate must be above 0 and at most 1"),
    ],
)
def test_a_bad_fault_is_refused_with_what_is_allowed(text: str, message: str) -> None:
    """Whatever is not kind@verb[:rate] is refused, and the message says what would do."""
    with pytest.raises(BadInput) as caught:
        parse_fault(text)
    assert [problem.message for problem in caught.value.problems] == [message]


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("refuse@connect", (554, b"5.3.2 refused on request")),
        ("refuse@mail", (550, b"5.7.1 sender refused on request")),
        ("refuse@rcpt", (550, b"5.1.1 recipient refused on request")),
        ("refuse@data", (554, b"5.5.0 content refused on request")),
        ("refuse@message", (554, b"5.6.0 message refused on request")),
        ("defer@connect", (421, b"4.3.2 deferred on request")),
        ("defer@mail", (451, b"4.7.1 sender deferred on request")),
        ("defer@rcpt", (450, b"4.2.1 recipient deferred on request")),
        ("defer@data", (451, b"4.3.0 content deferred on request")),
        ("defer@message", (451, b"4.3.0 message deferred on request")),
        ("drop@connect", "dropped"),
        ("drop@mail", "dropped"),
        ("drop@rcpt", "dropped"),
        ("drop@data", "dropped"),
        ("drop@message", "dropped"),
    ],
)
def test_a_fault_strikes_at_its_verb(fault: str, answer: Any, tmp_path: Path) -> None:
    """Over real SMTP the client sees the fault where it was asked for, and no mail is kept."""
    received: list[ReceivedMail] = []
    sink = Sink(
        clock=ManualClock(), folder=Folder(tmp_path), faults=[parse_fault(fault)], on_mail=received.append
    )
    assert talk(sink, send) == answer
    assert received == []
    assert list(tmp_path.iterdir()) == []


def test_a_hanging_sink_lets_the_client_wait() -> None:
    """A client with a time-out of its own gives up; the sink has not answered and can still be stopped."""

    def story(port: int) -> str:
        client = smtplib.SMTP("127.0.0.1", port, timeout=5)
        client.ehlo("client.example.jp")
        assert client.sock is not None
        client.sock.settimeout(0.2)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            client.mail("a@example.jp")
        return "gave up"

    assert talk(Sink(clock=ManualClock(), faults=[parse_fault("hang@mail")]), story) == "gave up"


def test_a_rate_strikes_in_its_share_of_cases() -> None:
    """With the clock's seeded chance a rate of 0.3 strikes about three in ten, the same ones in each run."""

    def story(port: int) -> list[int]:
        return [send(port)[0] for _ in range(40)]

    answers = [
        talk(Sink(clock=ManualClock(seed=7), faults=[parse_fault("refuse@rcpt:0.3")]), story)
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert 6 <= answers[0].count(550) <= 18


def test_a_mail_is_kept_byte_for_byte(tmp_path: Path) -> None:
    """The file holds exactly the content that came, dots unstuffed, and its id is in the reply."""
    received: list[ReceivedMail] = []
    sink = Sink(clock=ManualClock(), folder=Folder(tmp_path), on_mail=received.append)
    code, text = talk(sink, send)
    (mail,) = received
    assert (code, text) == (250, f"2.0.0 kept as {mail.id}".encode())
    assert mail.file == tmp_path / f"{mail.id}.eml"
    assert mail.file.read_bytes() == MAIL
    assert (mail.mail_from, mail.rcpt_tos, mail.peer) == (
        "a@example.jp",
        ("orders@partner.example.jp",),
        "127.0.0.1",
    )


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    """The folder is bounded: the oldest go first, across restarts too; strangers' files are left alone."""
    (tmp_path / "日記.eml").write_bytes(b"not ours")
    folder = Folder(tmp_path, keep=2)
    names = ["0000000000000001", "0000000000000002", "0000000000000003"]
    for name in names:
        folder.write(name, b"mail")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"{name}.eml" for name in names[1:]),
        "日記.eml",
    ]
    Folder(tmp_path, keep=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{names[2]}.eml", "日記.eml"]


def test_the_drafts_of_a_sink_that_died_are_cleared_away(tmp_path: Path) -> None:
    """What was half-written when the last sink ended is removed, and nothing else."""
    for name in (".0000000000000001.part", ".mine.part", "0000000000000002.eml"):
        (tmp_path / name).write_bytes(b"x")
    Folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine.part", "0000000000000002.eml"]


def test_a_mail_that_cannot_be_written_is_deferred(tmp_path: Path) -> None:
    """When the folder is gone the sender is answered 452 and keeps the mail; nothing half-written stays."""
    received: list[ReceivedMail] = []
    gone = tmp_path / "gone"
    folder = Folder(gone)
    gone.rmdir()
    sink = Sink(clock=ManualClock(), folder=folder, on_mail=received.append)
    code, text = talk(sink, send)
    assert (code, text[:5]) == (452, b"4.3.1")
    assert received == []


def test_a_folder_that_cannot_be_used_is_refused_at_once(tmp_path: Path) -> None:
    """A file in the folder's place is told before any mail comes."""
    place = tmp_path / "file"
    place.write_bytes(b"")
    with pytest.raises(BadInput, match="the folder cannot be used"):
        Folder(place)
