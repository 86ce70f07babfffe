"""All that a store has, counted: for tests that ask whether anything was lost or doubled."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, select

from relay.store.schema import delivery, notification, quarantine
from relay.store.store import Store
from relay.store.values import DeliveryState, QuarantineState


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of each there are; every state has a number."""

    notifications: int
    deliveries: Mapping[DeliveryState, int]
    quarantined: Mapping[QuarantineState, int]


async def counts(store: Store) -> Counts:
    """Count by one of the store's own reading connections, in one transaction."""
    return await store._read(_counts, None)


def _counts(connection: Connection, _: None) -> Counts:
    states = _by_state(connection, delivery)
    kept = _by_state(connection, quarantine)
    return Counts(
        notifications=connection.execute(select(func.count()).select_from(notification)).scalar_one(),
        deliveries={state: states.get(state.value, 0) for state in DeliveryState},
        quarantined={state: kept.get(state.value, 0) for state in QuarantineState},
    )


def _by_state(connection: Connection, table: Table) -> dict[str, int]:
    rows = connection.execute(select(table.c.state, func.count().label("total")).group_by(table.c.state))
    return {row.state: row.total for row in rows}
