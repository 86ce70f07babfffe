"""All next hops that mail goes to at the moment, each made at its first delivery and forgotten when idle.

Guarantees: two deliveries that go the same way meet in the same `Hop`; what a next hop has taught (that it is
down, or wants less) is kept while it is worth knowing. Source: ours.
"""

import asyncio
from collections.abc import Callable, Iterator

from relay.clock import Clock
from relay.config import DeliveryConfig
from relay.delivery.hop.dialler import Connects, Dialler
from relay.delivery.hop.hop import Finish, GiveBack, Hop, Rescue
from relay.delivery.job import Job
from relay.delivery.route import NextHop, Routes
from relay.delivery.seam import HopState
from relay.delivery.smtp.policy import HopPolicy


class Traffic:
    """The next hops by their targets."""

    def __init__(
        self,
        *,
        routes: Routes,
        connector: Connects,
        policies: Callable[[str], HopPolicy],
        settings: DeliveryConfig,
        clock: Clock,
        finish: Finish,
        rescue: Rescue,
        give_back: GiveBack,
    ) -> None:
        """`policies` answers by a next hop's name what holds for it; the rest is what a `Hop` needs."""
        self._routes = routes
        self._connector = connector
        self._policies = policies
        self._settings = settings
        self._clock = clock
        self._finish = finish
        self._rescue = rescue
        self._give_back = give_back
        self._hops: dict[NextHop, Hop] = {}

    def put(self, job: Job, target: NextHop) -> None:
        """Have it sent that way."""
        hop = self._hops.get(target)
        if hop is None:
            hop = self._hops[target] = self._made(target)
        hop.put(job)

    def _made(self, target: NextHop) -> Hop:
        name = str(target)
        policy = self._policies(name)
        dialler = Dialler(
            target, routes=self._routes, connector=self._connector, policy=policy, clock=self._clock
        )
        return Hop(
            name,
            dialler=dialler,
            policy=policy,
            settings=self._settings,
            clock=self._clock,
            finish=self._finish,
            rescue=self._rescue,
            give_back=self._give_back,
        )

    @property
    def states(self) -> list[HopState]:
        """How each stands."""
        return [hop.state for hop in self._hops.values()]

    @property
    def passed_over(self) -> frozenset[str]:
        """Recipient domains that claims had better leave for later."""
        return frozenset().union(*(hop.passed_over for hop in self._hops.values()))

    @property
    def is_down_somewhere(self) -> bool:
        """Whether a next hop could not be reached of late."""
        return any(hop.is_down for hop in self._hops.values())

    def hurry(self) -> None:
        """Let those that are closed be tried before their time: a person has let mail go."""
        for hop in self._hops.values():
            if hop.is_down:
                hop.hurry()

    def lighten(self, share: Callable[[int], int]) -> None:
        """Give back what should not wait in memory; `share` of how many slow ones is what each may keep."""
        most = share(sum(hop.is_slow for hop in self._hops.values()))
        for hop in self._hops.values():
            hop.lighten(most)

    def withdraw(self, is_unwanted: Callable[[Job], bool]) -> Iterator[Job]:
        """Take these out of their queues, one hop after another."""
        for hop in self._hops.values():
            yield from hop.withdraw(is_unwanted)

    def forget_idle(self) -> None:
        """Forget those that nothing is known of but that they are there."""
        for target in [target for target, hop in self._hops.items() if hop.is_idle]:
            del self._hops[target]

    def stop(self) -> set[asyncio.Task[None]]:
        """Begin no more attempts; the tasks that end with the attempts that run."""
        return {task for hop in self._hops.values() for task in hop.stop()}
