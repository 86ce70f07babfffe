"""`denrei doctor`: everything that one look can tell of the relay's health, with what to do about it.

It works beside a running relay and without one, on a store that no relay can open, and changes nothing. All
looks run at once, each within its own bound in time. Source: ours.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass

from relay.delivery.route import Resolver, Routes
from relay.errors import BadInput
from relay.operations.doctor.check import Check, Found, Verdict, attention, bounded, failed, ok, refused
from relay.operations.doctor.machine import clock_check, disk_check
from relay.operations.doctor.network import (
    DnsNames,
    bounce_check,
    dkim_check,
    hostname_check,
    port_check,
    route_checks,
)
from relay.operations.doctor.record import store_checks
from relay.operations.doctor.secret import secret_checks, signer_of
from relay.operations.office import Office, Verbs
from relay.store.integrity import examine
from relay.store.row import domain_of
from relay.store.seat import occupied

__all__ = ["Check", "DoctorVerbs", "Verdict", "refused"]

QUICK_SECONDS = 20.0  # for the store's pages: some GB on a disk of our days
THOROUGH_SECONDS = 3_600.0
FILES_SECONDS = 60.0
NETWORK_SECONDS = 60.0  # 500 domains, 20 at a time, in hundredths of a second each where the DNS answers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looks:
    """The looks, over one office."""

    office: Office
    thorough: bool
    resolver: Resolver | None

    async def store(self) -> Found:
        """The store's file and what is in it."""
        path, clock = self.office.config.store.path, self.office.clock
        if not path.exists():
            text = f"{path} is not there yet: the relay makes it at its first start"
            return [attention("store", text, "denrei serve; or name another store.path")]
        seconds = THOROUGH_SECONDS if self.thorough else QUICK_SECONDS
        end = clock.monotonic() + seconds
        found = await asyncio.to_thread(
            examine, path, now=clock.now(), thorough=self.thorough, is_over=lambda: clock.monotonic() > end
        )
        if found is None:
            return [attention("store", f"{path}: an older Denrei wrote it", "the next start mends it")]
        if not os.access(path, os.W_OK):
            return [
                failed("store", f"{path} may not be written by this user", "mend the file's owner or mode")
            ]
        mode = path.stat().st_mode
        return list(
            store_checks(
                found, path, mode=mode, now=clock.now(), occupied=await asyncio.to_thread(occupied, path)
            )
        )

    async def machine(self) -> Found:
        """The disk and the clock."""
        config = self.office.config
        files = [config.store.path, config.store.path.with_name(config.store.path.name + "-wal")]
        files += [config.registrations, *sorted(config.registrations.glob("*.yaml"))[:100]]
        return [disk_check(config.store.path.parent), clock_check(self.office.clock.now(), files)]

    async def registrations(self) -> Found:
        """Templates and registrations, as `denrei check` looks at them, in one row."""
        found = await asyncio.to_thread(lambda: list(self.office.registry.current))
        sellers = len({each.seller_id for each in found})
        return [ok("registrations", f"registrations: {len(found)}, sellers: {sellers}")]

    async def secrets(self) -> Found:
        """Files that nobody else may read."""
        return await asyncio.to_thread(lambda: list(secret_checks(self.office.config, self.office.clock)))

    async def network(self) -> Found:
        """The DNS: our own name, our bounces, our keys."""
        config, names = self.office.config, DnsNames(self.resolver)
        signer, problems = await asyncio.to_thread(signer_of, config)
        dkim = [dkim_check(record, names) for record in signer.records] if signer is not None else []
        checks = await asyncio.gather(
            hostname_check(config.hostname, names),
            bounce_check(config.delivery.bounce_address, names, config.hostname, config.intake),
            *dkim,
        )
        return [*checks, *problems]

    async def routes(self) -> Found:
        """The ways to all who are registered."""
        return await route_checks(await self.domains(), self.ways())

    def ways(self) -> Routes:
        """The office's own, but with the resolver that is given."""
        if self.resolver is None:
            return self.office.routes
        config = self.office.config
        return Routes(
            config.delivery, hostname=config.hostname, clock=self.office.clock, resolver=self.resolver
        )

    async def domains(self) -> set[str]:
        """The domains of all who are registered and in use."""
        try:
            registrations = await asyncio.to_thread(lambda: list(self.office.registry.current))
        except BadInput:  # told of in its own row
            return set()
        return {domain_of(address) for each in registrations if each.use for address in each.recipients}

    async def port(self) -> Found:
        """Who answers where the relay is to listen."""
        return [await port_check(self.office.config.intake.listen, self.office.config.hostname)]


class DoctorVerbs(Verbs):
    """Looking at everything."""

    async def diagnose(self, *, thorough: bool = False, resolver: Resolver | None = None) -> Sequence[Check]:
        """Return what was found, thing by thing; nothing is changed, no store is made or brought up to date.

        Args:
            thorough: read the whole store, however long that takes.
            resolver: the DNS to ask; None: the system's.
        """
        looks = _Looks(office=self._office, thorough=thorough, resolver=resolver)
        patience = FILES_SECONDS + (THOROUGH_SECONDS if thorough else QUICK_SECONDS)
        found = await asyncio.gather(
            bounded("registrations", FILES_SECONDS, looks.registrations()),
            bounded("secrets", FILES_SECONDS, looks.secrets()),
            bounded("store", patience, looks.store()),
            bounded("machine", FILES_SECONDS, looks.machine()),
            bounded("port", FILES_SECONDS, looks.port()),
            bounded("network", NETWORK_SECONDS, looks.network()),
            bounded("routes", NETWORK_SECONDS, looks.routes()),
        )
        return [check for checks in found for check in checks]
