"""What a relay lives in: a marketplace that sends, partners, a clock, a disk, a person with every verb."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Coroutine, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog

from relay.config import load
from relay.errors import MachineFailure
from relay.return_address import ReturnAddress
from relay.store.query import MAX_LISTING, DeliveryFilter, DeliveryRow
from relay.store.values import DeliveryState
from tests.support.clock import ManualClock
from tests.support.machine import Disk, Life, ShakyOffice, known_by_life
from tests.support.mail import json_mail, order_info
from tests.support.moody import GOOD, Peer, peer, post
from tests.support.quiet import QuietLoop

T = TypeVar("T")

ADDRESS = "orders@relay.example.jp"
OPERATOR, CONTACT = "ops@y.example.jp", "tencho@x.example.jp"
UNWRITABLE = "𠮷野の長袖Tシャツ"  # its first character is not in ISO-2022-JP
WRITABLE = "綿の長袖Tシャツ"
LEASE = timedelta(minutes=10)
_STEP = timedelta(minutes=4)  # less than half a lease: a relay that lives renews its leases in between
_MOST_AT_ONCE = 8 * _STEP
SEEN = timedelta(seconds=6)  # a look of every relay at the holds, after a failure too

SELLERS = {
    "例題商店": f"""\
contact: {{address: {CONTACT}, language: ja}}
registrations:
  - {{id: gear, template: stock_gear/order_info, recipients: [a@x.example.jp, B@X.example.jp]}}
  - {{id: mall, template: cross_mall/order_info, recipients: [c@y.example.jp]}}
""",
    "見本書店": """\
registrations:
  - {id: later, template: basic/order_info, recipients: [a@x.example.jp], wait: Y}
  - {id: soon, template: stock_gear/order_info, recipients: [c@y.example.jp], wait: Y, period: 30m}
  - {id: off, template: stock_gear/order_info, recipients: [never@y.example.jp], use: N}
""",
}
EXPECTED = {
    "例題商店": {("gear", "a@x.example.jp"), ("gear", "B@X.example.jp"), ("mall", "c@y.example.jp")},
    "見本書店": {("later", "a@x.example.jp"), ("soon", "c@y.example.jp")},
    "誰も登録していない店": set(),
}
_CONFIG = """\
hostname: relay.example.jp
intake: {{listen: "127.0.0.1:0", addresses: [{address}], networks: [127.0.0.0/8]}}
delivery:
  routes: {{x.example.jp: "127.0.0.1:{x}", y.example.jp: "127.0.0.1:{y}"}}
  connections: 3
  mails_per_connection: 4
  memory: 6
  suspend_after: 3
  retry: [1m, 5m, 30m, 4h]
  lifetime: 2d
notices: {{operators: [{operator}]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the marketplace says once, and says again until it is answered."""

    event_id: str
    seller_id: str
    item_name: str
    content: bytes

    @property
    def expected(self) -> set[tuple[str, str]]:
        """Registration and recipient of each mail that it causes."""
        return {each for each in EXPECTED[self.seller_id] if each[0] not in self.kept_for}

    @property
    def kept_for(self) -> set[str]:
        """The registrations whose mails cannot be written."""
        is_mall = self.seller_id == "例題商店" and self.item_name == UNWRITABLE
        return {"mall"} if is_mall else set()


def order(number: int, seller_id: str, item_name: str, memo: str = "") -> Order:
    """The order of that number."""
    event_id = f"e-{number}"
    tree = order_info(
        event_id=event_id,
        seller_id=seller_id,
        pack__pack_no=f"{300_000_000 + number}",
        pack__memos=[memo or "玄関先に置いてください。"],
        pack__orders=[{"order_no": f"{7_000_000_000 + number}", "item_name": item_name, "qty": 1}],
    )
    return Order(event_id=event_id, seller_id=seller_id, item_name=item_name, content=json_mail(tree))


class World:
    """All of it, in a folder of its own, gone after `close`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner(loop_factory=QuietLoop)
        self._stack = contextlib.AsyncExitStack()
        self.clock = ManualClock()
        self.disk = Disk()
        self.lives: list[Life] = []
        self.in_force: frozenset[str] = frozenset()  # holds that every living relay must heed by now
        self.posted: list[tuple[Order | None, asyncio.Task[str]]] = []  # what the marketplace awaits
        self.bugs: list[str] = []  # what was logged that no machine and no stranger can be blamed for
        structlog.configure(processors=[self._hear])
        self.run(self._open())

    def _hear(self, _logger: object, _level: str, entry: MutableMapping[str, Any]) -> str:
        if entry.get("exc_info"):
            self.bugs.append(f"{entry['event']}: {sys.exception()!r} {entry}")
        raise structlog.DropEvent

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done, and let everything else go on meanwhile."""
        return self._runner.run(work)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, QuietLoop)
        loop.set_task_factory(known_by_life)  # type: ignore[arg-type]
        self.loop = loop
        self.peers: list[Peer] = [
            await self._stack.enter_async_context(peer(lambda: self.in_force)) for _ in range(2)
        ]
        folder = Path(self._folder.name)
        (folder / "registrations").mkdir()
        for number, (seller, text) in enumerate(SELLERS.items()):
            file = folder / "registrations" / f"{number}.yaml"
            file.write_text(f"seller: {seller}\n{text}", encoding="utf-8")
        x, y = (each.port for each in self.peers)
        config = folder / "denrei.yaml"
        config.write_text(_CONFIG.format(address=ADDRESS, x=x, y=y, operator=OPERATOR), encoding="utf-8")
        self.config = load(config)
        self.hops = {"x.example.jp": f"127.0.0.1:{x}", "y.example.jp": f"127.0.0.1:{y}"}
        self.person = ShakyOffice(self.config, clock=self.clock, disk=Disk(), loop=loop)
        self.returns: ReturnAddress = await self.person.return_address()

    def close(self) -> None:
        """End everything that still runs."""
        self.run(self._close())
        self._runner.close()
        self._folder.cleanup()

    async def _close(self) -> None:
        for life in list(self.lives):
            await self.crash(life)
        for each in self.peers:
            each.answer(GOOD)
        await self.loop.quiet()
        await self.person.close()
        await self._stack.aclose()

    # Processes

    async def start(self) -> Life | None:
        """Start a relay; None when the disk does not let it."""
        life = Life(ShakyOffice(self.config, clock=self.clock, disk=self.disk, loop=self.loop), self.loop)
        try:
            await life.start()
        except MachineFailure:
            assert self.disk.is_full
            return None
        self.lives.append(life)
        await self.loop.quiet()
        return life

    async def stop(self, life: Life) -> None:
        """Stop a relay; what is on the wire gets a moment."""
        self.lives.remove(life)
        await life.stop(0.05 if any(each.hanging for each in self.peers) else 5.0)
        await self.loop.quiet()

    async def crash(self, life: Life) -> None:
        """End a relay where it stands."""
        self.lives.remove(life)
        await life.crash()
        await self.loop.quiet()

    @property
    def is_well(self) -> bool:
        """Whether every relay that lives can use its store."""
        return not self.disk.is_full and not any(life.office.shaky.is_frozen for life in self.lives)

    # The marketplace

    async def post(self, life: Life, one: Order | None, mail_from: str, rcpt_to: str, content: bytes) -> None:
        """Send a mail, and wait for the answer as long as anything moves."""
        assert life.relay is not None
        task = asyncio.create_task(post(life.relay.address, mail_from, rcpt_to, content))
        self.posted.append((one, task))
        await self.loop.quiet()

    # Time

    async def pass_time(self, duration: timedelta) -> None:
        """Let time pass; where two relays hold leases, no faster than both can renew them."""
        holds = frozenset(hold.id for hold in await self.person.store.holds())
        if len(self.lives) > 1 and await self._anything_sent():
            duration = min(duration, _MOST_AT_ONCE)
            while duration > _STEP:
                await self._leap(_STEP)
                duration -= _STEP
        await self._leap(duration)
        if self.is_well and duration >= SEEN:
            standing = {hold.id for hold in await self.person.store.holds()}
            self.in_force |= holds & standing

    async def _leap(self, duration: timedelta) -> None:
        self.clock.advance(duration)
        await self.loop.quiet()

    async def set_clock(self, change: timedelta) -> None:
        """Set the time of day; every relay sees it at its next look, some seconds later."""
        self.clock.jump(change)
        await self._leap(timedelta(seconds=2.5))

    async def _anything_sent(self) -> bool:
        sending = DeliveryFilter(states=(DeliveryState.SENDING,), limit=1)
        return bool(await self.person.store.deliveries(sending))

    async def rows(self) -> list[DeliveryRow]:
        """Every delivery there is, oldest first."""
        found = await self.person.store.deliveries(DeliveryFilter(limit=MAX_LISTING))
        assert len(found) < MAX_LISTING, "too many to be seen at once"
        return found[::-1]
