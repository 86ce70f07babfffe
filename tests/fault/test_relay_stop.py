"""Signals: what ends a relay ends it in bounded time, in good order, and loses and doubles nothing."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import pytest

from tests.support import autopsy
from tests.support.destination import Silence, Take, town
from tests.support.hooked import MODULE as HOOKED
from tests.support.market import Lost, Market, connected, mail
from tests.support.serving import SERVE, ServedRelay, write_config

REGISTRATION = """\
seller: example-shop
registrations:
  - {id: orders, template: cross_mall/order_info, recipients: [orders@partner.example.jp]}
"""
MAILS = 5


class Hanging:
    """A partner's manner: to say nothing to a mail, until somebody mends it."""

    is_mended = False

    def __call__(self, _came):
        return Take() if self.is_mended else Silence()


@contextlib.asynccontextmanager
async def site(folder):
    """A partner that hangs, and the configuration of a relay whose partner it is."""
    manner = Hanging()
    async with town({"partner.example.jp": manner}) as partners:
        config = write_config(
            folder, routes=partners.routes, registrations={"example-shop.yaml": REGISTRATION}
        )
        yield config, partners, manner


async def all_arrive_once(config, partners, manner, mails, nursery):
    """The next life delivers what the last one left, each mail once, and stops in good order."""
    manner.is_mended = True
    with ServedRelay(config, nursery=nursery) as relay:
        await partners.until(lambda: len(partners.taken) >= mails)
        store = config.parent / "denrei.db"
        await asyncio.to_thread(autopsy.until, lambda: autopsy.states(store) == {"delivered": mails})
        relay.signal(signal.SIGTERM)
        assert await asyncio.to_thread(relay.ended) == 0
    assert len({copy.key for copy in partners.taken}) == len(partners.taken) == mails


@pytest.mark.parametrize(
    ("command", "grace"),
    [
        ((*HOOKED, "--grace", "1.5"), 1.5),
        pytest.param(SERVE, 30, marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
    ],
)
def test_a_partner_that_hangs_does_not_keep_a_stopping_relay_for_longer_than_its_grace(
    tmp_path, nursery, command, grace
):
    """SIGTERM with mails on the wire that nobody answers: the grace is given, then all is handed back."""

    async def story():
        async with site(tmp_path) as (config, partners, manner):
            with ServedRelay(config, nursery=nursery, command=command) as relay:
                market = Market()
                await market.send(relay.address, market.some(MAILS))
                await partners.until(lambda: partners.contents > 0)
                began = time.monotonic()
                relay.signal(signal.SIGTERM)
                code = await asyncio.to_thread(relay.ended)
                lasted = time.monotonic() - began
            states = [each.state for each in autopsy.deliveries(config.parent / "denrei.db")]
            await all_arrive_once(config, partners, manner, MAILS, nursery)
            return code, lasted, states

    code, lasted, states = asyncio.run(story())
    assert (code, states) == (0, ["queued"] * MAILS)
    assert grace <= lasted < grace + 5


@pytest.mark.parametrize(
    ("first", "second"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)]
)
def test_a_second_signal_ends_it_at_once_and_loses_nothing(tmp_path, nursery, first, second):
    """With mails on the wire and thirty seconds of grace: it ends within a few, and the mails come once."""

    async def story():
        async with site(tmp_path) as (config, partners, manner):
            with ServedRelay(config, nursery=nursery) as relay:
                market = Market()
                await market.send(relay.address, market.some(MAILS))
                await partners.until(lambda: partners.contents > 0)
                relay.signal(first)
                await asyncio.to_thread(relay.until_logged, "stopping")
                began = time.monotonic()
                relay.signal(second)
                code = await asyncio.to_thread(relay.ended)
                lasted = time.monotonic() - began
            log = "".join(relay.log)
            await all_arrive_once(config, partners, manner, MAILS, nursery)
            return code, lasted, log

    code, lasted, log = asyncio.run(story())
    assert (code, "a second signal came" in log, "Traceback" in log) == (0, True, False)
    assert lasted < 5


def test_a_stopping_relay_sends_the_idle_away_and_lets_a_mail_under_way_come_to_its_end(tmp_path, nursery):
    """421 to who waits, no new connection, 250 to who is in the middle of a mail; and that mail arrives."""

    async def story():
        async with site(tmp_path) as (config, partners, manner):
            manner.is_mended = True
            with ServedRelay(config, nursery=nursery) as relay:
                async with connected(relay.address) as idle, connected(relay.address) as busy:
                    envelope = b"MAIL FROM:<m@example.com>\r\nRCPT TO:<orders@relay.example.jp>\r\nDATA\r\n"
                    assert (await busy.say(envelope, 3))[2].startswith("354")
                    busy.write(mail(1)[:100])
                    relay.signal(signal.SIGTERM)
                    with pytest.raises(Lost, match=r"421 4\.\d\.\d"):
                        await idle.replies()
                    with pytest.raises(Lost):
                        async with connected(relay.address):
                            pass
                    [answer] = await busy.say(mail(1)[100:] + b".\r\n")
                    code = await asyncio.to_thread(relay.ended)
            await all_arrive_once(config, partners, manner, 1, nursery)
            return answer, code

    answer, code = asyncio.run(story())
    assert answer.startswith("250 2.0.0 accepted as ")
    assert code == 0


def test_a_signal_at_any_moment_of_a_start_loses_and_doubles_nothing(tmp_path, nursery):
    """SIGTERM and SIGINT while it loads, and when it opens its store: it ends, and the queue is whole."""

    async def story():
        async with site(tmp_path) as (config, partners, manner):
            with ServedRelay(config, nursery=nursery) as relay:
                market = Market()
                await market.send(relay.address, market.some(MAILS))
                await partners.until(lambda: partners.contents > 0)
                relay.kill()
            store = config.parent / "denrei.db"
            codes = []
            for number, is_there in (
                (signal.SIGTERM, lambda _: True),
                (signal.SIGTERM, lambda relay: opened(relay, store)),
                (signal.SIGINT, lambda relay: opened(relay, store)),
            ):
                with ServedRelay(config, waits=False) as relay:
                    await asyncio.to_thread(autopsy.until, lambda: is_there(relay))  # noqa: B023  (awaited here)
                    relay.signal(number)
                    codes.append((number, await asyncio.to_thread(relay.ended, 10.0)))
            await all_arrive_once(config, partners, manner, MAILS, nursery)
            return codes

    codes = asyncio.run(story())
    assert [code in (0, -number, 128 + number) for number, code in codes] == [True] * 3, codes


def opened(relay, store):
    """Whether the process has the store open."""
    links = (entry.readlink() for entry in Path(f"/proc/{relay.pid}/fd").iterdir())
    with contextlib.suppress(FileNotFoundError):  # a file that is closed meanwhile
        return any(link == store for link in links)
    return False


def test_a_terminal_that_is_closed_ends_it_as_a_kill_does(tmp_path, nursery):
    """SIGHUP is not caught: it ends at once, and the next life goes on."""

    async def story():
        async with site(tmp_path) as (config, partners, manner):
            with ServedRelay(config, nursery=nursery) as relay:
                market = Market()
                await market.send(relay.address, market.some(MAILS))
                await partners.until(lambda: partners.contents > 0)
                relay.signal(signal.SIGHUP)
                code = await asyncio.to_thread(relay.ended)
            await all_arrive_once(config, partners, manner, MAILS, nursery)
            return code

    assert asyncio.run(story()) == -signal.SIGHUP
