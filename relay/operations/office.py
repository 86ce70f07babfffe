"""What the verbs stand on: the parts of an office, what becomes of a verb, and how ids are named.

Diagnostics: `BadInput` with every bad id at once. Source: ours.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from grammar import Catalogue
from relay.clock import Clock
from relay.compose.composer import Composer
from relay.config import Config
from relay.delivery.route import Routes
from relay.errors import BadInput, Problem
from relay.intake.reading.decoding import Decoder
from relay.registry import LiveRegistry, Templates
from relay.return_address import ReturnAddress
from relay.store.store import Store

MIN_PREFIX = 4  # characters of an id before anything is changed: fewer are a slip, also where they name one

T = TypeVar("T")


class Office(Protocol):
    """The parts that the verbs work on, each opened when it is first asked for."""

    @property
    def config(self) -> Config:
        """All that the operator decided."""

    @property
    def clock(self) -> Clock:
        """Time and ids."""

    @property
    def catalogue(self) -> Catalogue:
        """The fields that templates may name."""

    @property
    def templates(self) -> Templates:
        """The partner templates."""

    @property
    def registry(self) -> LiveRegistry:
        """Who wants what."""

    @property
    def composer(self) -> Composer:
        """Makes mails."""

    @property
    def decoder(self) -> Decoder:
        """Reads mails."""

    @property
    def store(self) -> Store:
        """What happened, and what is due."""

    @property
    def routes(self) -> Routes:
        """Where each recipient's mail goes next."""

    async def return_address(self) -> ReturnAddress:
        """Return what makes and reads the envelope senders of deliveries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one verb on one thing."""

    id: str
    applied: bool
    text: str  # what was done, or why not; one line


class Verbs:
    """Verbs over the parts of one office."""

    def __init__(self, office: Office) -> None:
        self._office = office


def require_enough(prefixes: Sequence[str]) -> None:
    """See that every beginning of an id is long enough to change things by; raises BadInput."""
    short = [prefix for prefix in prefixes if len(prefix) < MIN_PREFIX]
    if short:
        message = f"is too short an id to change anything by, must have at least {MIN_PREFIX} characters"
        raise BadInput([Problem(path=prefix or "an empty id", message=message) for prefix in short])


async def all_or_problems(lookups: Sequence[Awaitable[T]]) -> list[T]:
    """Return what every lookup finds, one after another; raises BadInput with the problems of all."""
    found: list[T] = []
    problems: list[Problem] = []
    for lookup in lookups:
        try:
            found.append(await lookup)
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return found
