"""Somebody sets the clock of a running relay, or of one that is down: nothing is lost, doubled or stuck."""

import asyncio

from tests.support.hooked import MODULE as HOOKED
from tests.support.lives import Moment, lives

DAY = 86_400


def test_a_clock_set_forward_and_back_under_load_loses_and_doubles_nothing(tmp_path, nursery):
    """Two days forward, three back, an hour forward, with mails on their way and others deferred."""

    async def story():
        clock = tmp_path / "clock"
        clock.write_text("0")
        async with lives(tmp_path / "site", nursery, command=(*HOOKED, "--clock", str(clock))) as relay:
            with relay.served() as served:
                for offset in (0, 2 * DAY, -DAY, 3_600):
                    write(clock, offset)
                    await relay.market.send(served.address, relay.market.some(15))
                await relay.finish(served)
            return relay, "".join(served.log)

    relay, log = asyncio.run(story())
    assert (relay.repeats.total(), relay.market.refusals, len(relay.market.answered)) == (0, [], 60)
    assert "the clock was set" in log
    assert "Traceback" not in log


def test_a_relay_that_starts_under_a_clock_set_back_goes_on_with_what_is_dated_ahead(tmp_path, nursery):
    """Killed with deferred mails, started a day earlier: the mails of tomorrow are due now, each once."""

    async def story():
        clock = tmp_path / "clock"
        clock.write_text(str(DAY))
        async with lives(tmp_path / "site", nursery, command=(*HOOKED, "--clock", str(clock))) as relay:
            await relay.live(Moment(kind="taken", count=60))
            write(clock, 0)
            await relay.last()
            return relay

    relay = asyncio.run(story())
    assert relay.market.unsure == set()


def write(clock, offset):
    """Set the relay's clock, whole at once: it may be read at any moment."""
    new = clock.with_suffix(".new")
    new.write_text(str(offset))
    new.replace(clock)
