"""What the command line and a running relay share: a configuration and the parts that it describes.

Each part is built when it is first asked for, so that an operator reaches the queue although a registration
file is broken, and can check files without a store. Diagnostics: `BadInput` and `MachineFailure` of the part.
"""

from functools import cached_property
from pathlib import Path
from typing import Self

from grammar import Catalogue, load_catalogue
from relay.clock import Clock, SystemClock
from relay.compose import Composer, Signer, load_signer
from relay.config import Config, load
from relay.delivery import Routes
from relay.intake import Decoder
from relay.metrics import Metrics
from relay.operations import Operations
from relay.registry import LiveRegistry, Templates, load_templates
from relay.return_address import ReturnAddress
from relay.store.store import Store

SHIPPED_TEMPLATES = Path(__file__).resolve().parent.parent.parent / "partner_templates"
RETURN_ADDRESS = "return address"  # the store's key for it


class Office:
    """A configuration and the parts that it describes."""

    def __init__(self, config: Config, *, clock: Clock | None = None, create_store: bool = True) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self._create_store = create_store

    @classmethod
    def open(cls, config_path: Path, *, create_store: bool = True) -> Self:
        """Read the configuration file; raises BadInput with every problem in it.

        Args:
            config_path: the file.
            create_store: whether the store may be made where there is none; who only looks should not.
        """
        return cls(load(config_path), create_store=create_store)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The fields that templates may name."""
        return load_catalogue()

    @cached_property
    def templates(self) -> Templates:
        """The shipped partner templates and the operator's own."""
        return load_templates(SHIPPED_TEMPLATES, self.catalogue, own=self.config.templates)

    @cached_property
    def registry(self) -> LiveRegistry:
        """The registrations as the files say now; raises BadInput with every problem in them."""
        return LiveRegistry(self.config.registrations, self.templates, self.catalogue, clock=self.clock)

    @cached_property
    def composer(self) -> Composer:
        """Makes mails of notifications."""
        return Composer(
            hostname=self.config.hostname, clock=self.clock, catalogue=self.catalogue, signer=self.signer
        )

    @cached_property
    def signer(self) -> Signer | None:
        """Signs mails, where there are keys; raises BadInput with every problem in them."""
        return load_signer(self.config.dkim)

    @cached_property
    def metrics(self) -> Metrics:
        """What is counted in this process."""
        return Metrics()

    @cached_property
    def decoder(self) -> Decoder:
        """Reads notifications, documents and text mails, against the registry that is in force."""
        return Decoder(
            lambda: self.registry.current,
            self.catalogue,
            hostname=self.config.hostname,
            max_document=self.config.intake.max_document,
        )

    @cached_property
    def store(self) -> Store:
        """The database, made or upgraded if need be; raises BadInput and MachineFailure."""
        return Store.open(
            self.config.store.path,
            clock=self.clock,
            create=self._create_store,
            way=self.routes.name,
            metrics=self.metrics,
        )

    @cached_property
    def routes(self) -> Routes:
        """Where each recipient's mail goes next."""
        return Routes(self.config.delivery, hostname=self.config.hostname, clock=self.clock)

    @cached_property
    def operations(self) -> Operations:
        """The operator's verbs."""
        return Operations(self)

    async def return_address(self) -> ReturnAddress:
        """Makes and reads the envelope senders of deliveries, with the store's own key."""
        address = self.config.delivery.bounce_address
        return ReturnAddress(address, await self.store.secret(RETURN_ADDRESS))

    async def close(self) -> None:
        """Close what was opened."""
        if "store" in self.__dict__:
            await self.store.close()
