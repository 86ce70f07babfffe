"""`denrei demo`: the whole way of a notification, once, on this machine and in a few seconds.

A folder that is thrown away, a configuration as an operator would write it, two partners (`relay.sink`) on
free ports of the loopback, the relay in this process, and a marketplace that sends by the standard
library's SMTP client. Nothing on the screen is made up: it is what the relay answered, what the partners
received and what the store says. In the end both sides are compared, mail by mail (`comparison`), and
anything missing, changed or too many ends with 1.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import typer

from relay.app import Office, Relay
from relay.cli.comparison import Wanted, compare, wanted
from relay.cli.log import LogLevel, configure_log
from relay.cli.office import run_in_loop
from relay.cli.playbill import Performance, Sent, show_performance
from relay.cli.screen import refuse
from relay.cli.send import DEFAULT_SENDER, notification_mail, post
from relay.clock import Clock, SystemClock
from relay.errors import BadInput
from relay.intake.session.door import ListenerSettings
from relay.intake.session.listener import Listener
from relay.operations import Operations
from relay.sample import sample_orders
from relay.sink import ReceivedMail, Sink
from relay.store.query import DeliveryFilter, DeliveryStory, JournalFilter, QuarantineFilter
from relay.store.values import DeliveryState

WAIT_SECONDS = 20.0  # for the partners to get what is due: an idle machine needs a tenth of one
GRACE_SECONDS = 5.0  # for the relay to note the partners' last answers
INTAKE = "orders@relay.example.jp"
PARTNERS = ("stockgear.example.jp", "crossmall.example.jp")
_REGISTRATIONS = f"""\
seller: example-shop
registrations:
  - {{id: stockgear-orders, template: stock_gear/order_info, recipients: [orders@{PARTNERS[0]}]}}
  - {{id: stockgear-old, template: stock_gear/order_info, recipients: [old@{PARTNERS[0]}], use: N}}
  - {{id: crossmall-orders, template: cross_mall/order_info, recipients: [orders@{PARTNERS[1]}]}}
  - {{id: crossmall-later, template: cross_mall/order_info, recipients: [later@{PARTNERS[1]}], wait: Y}}
"""


def demo() -> None:
    """Run the main job from nothing to a result, with real SMTP on both sides."""
    configure_log(LogLevel.WARNING)
    with tempfile.TemporaryDirectory(prefix="denrei-demo-") as folder:
        performance = run_in_loop(_perform(Path(folder)))
    show_performance(performance)
    if performance.problems:
        for problem in performance.problems:
            refuse(problem)
        raise typer.Exit(1)


class Partners:
    """The partners' mail servers, and a way to wait for what they get."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: dict[str, Listener] = {}
        self._came = asyncio.Event()
        self.mails: dict[str, list[ReceivedMail]] = {domain: [] for domain in PARTNERS}

    async def start(self) -> dict[str, int]:
        """Open every partner's port; returns the ports by domain."""
        for domain, mails in self.mails.items():
            sink = Sink(clock=self._clock, on_mail=partial(self._keep, mails))
            self._listeners[domain] = Listener(sink, ListenerSettings(), hostname=f"mx.{domain}")
            await self._listeners[domain].start()
        return {domain: listener.port for domain, listener in self._listeners.items()}

    async def stop(self) -> None:
        """Close every port."""
        for listener in self._listeners.values():
            await listener.stop(0.0)

    def _keep(self, mails: list[ReceivedMail], mail: ReceivedMail) -> None:
        mails.append(mail)
        self._came.set()

    def all(self) -> list[ReceivedMail]:
        """Return every mail of every partner."""
        return [mail for mails in self.mails.values() for mail in mails]

    async def wait_for(self, count: int) -> None:
        """Return when so many mails have come, or after WAIT_SECONDS: `compare` tells what is missing."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while len(self.all()) < count:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return


async def _perform(folder: Path) -> Performance:
    """Play the whole story and return what was seen of it."""
    samples = _write_samples(folder)
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        began = clock.monotonic()
        partners = Partners(clock)
        ports = await partners.start()
        stack.push_async_callback(partners.stop)
        office = Office.open(_write_configuration(folder, ports))
        stack.push_async_callback(office.close)
        relay = await Relay.prepared(office)
        await relay.start()
        try:
            sent = await asyncio.to_thread(_send, [*samples, samples[0]], relay.address, clock)
            stories = await _stories(office.operations)
            await partners.wait_for(
                sum(story.row.delivery.state is not DeliveryState.HELD for story in stories)
            )
        finally:
            await relay.stop(GRACE_SECONDS)
        stories = await _stories(office.operations)
        asked, unreadable = _asked(samples, office)
        kept = await office.operations.quarantined(QuarantineFilter())
        comparison = compare(asked, stories, partners.all())
        return Performance(
            sent=sent,
            received=partners.mails,
            stories=stories,
            kept=[row.item for row in kept],
            entries=await office.operations.journal(JournalFilter()),
            comparison=comparison,
            problems=(*comparison.problems, *_refused(sent), *_miscounted(unreadable, len(kept))),
            duration=timedelta(seconds=clock.monotonic() - began),
        )


def _write_samples(folder: Path) -> list[Path]:
    paths = []
    for name, content in sample_orders().items():
        path = folder / name
        path.write_bytes(content)
        paths.append(path)
    return paths


def _write_configuration(folder: Path, ports: dict[str, int]) -> Path:
    registrations = folder / "registrations"
    registrations.mkdir()
    (registrations / "example-shop.yaml").write_text(_REGISTRATIONS, encoding="utf-8")
    routes = "".join(f"    {domain}: 127.0.0.1:{port}\n" for domain, port in ports.items())
    config = folder / "denrei.yaml"
    config.write_text(
        "hostname: relay.example.jp\n"
        f"intake:\n  listen: 127.0.0.1:0\n  addresses: [{INTAKE}]\n"
        f"delivery:\n  routes:\n{routes}",
        encoding="utf-8",
    )
    return config


def _send(paths: Sequence[Path], address: tuple[str, int], clock: Clock) -> list[Sent]:
    """Send each file as the marketplace would; runs in a thread, because smtplib waits."""
    host, port = address
    return [
        Sent(
            file=path.name,
            answer=post(
                notification_mail(path, recipient=INTAKE, sender=DEFAULT_SENDER, clock=clock),
                host=host,
                port=port,
                recipient=INTAKE,
                sender=DEFAULT_SENDER,
            ),
        )
        for path in paths
    ]


async def _stories(operations: Operations) -> list[DeliveryStory]:
    """Return every delivery, oldest first."""
    rows = await operations.selected(DeliveryFilter())
    return [await operations.delivery(row.delivery.id) for row in reversed(rows)]


def _asked(samples: Sequence[Path], office: Office) -> tuple[Wanted, int]:
    """Return what the registrations ask for, by the samples alone, and how many samples are unreadable."""
    asked, unreadable = Wanted(), 0
    for path in samples:
        try:
            notification = office.operations.read_file(path).notification
        except BadInput:
            unreadable += 1
        else:
            registrations = office.registry.registrations(notification.seller_id, notification.type)
            asked += wanted(notification, registrations)
    return asked, unreadable


def _refused(sent: Sequence[Sent]) -> list[str]:
    return [f"{each.file}: was refused: {each.answer.text}" for each in sent if not each.answer.accepted]


def _miscounted(unreadable: int, kept: int) -> list[str]:
    return [] if unreadable == kept else [f"{unreadable} in quarantine expected, {kept} are"]
