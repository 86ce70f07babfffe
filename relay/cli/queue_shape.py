"""`denrei queue shape`: what waits for whom, and since when. After Postfix's qshape(1)."""

from collections.abc import Sequence
from datetime import timedelta

from relay.cli.office import operate
from relay.cli.option import DEFAULT_CONFIG, AsJson, ConfigPath
from relay.cli.screen import screen, show_json, show_table
from relay.operations import HopShape
from relay.store.query import SHAPE_AGES, ShapeRow


def shape(*, config: ConfigPath = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Show how many deliveries wait for each next hop, and since when."""
    rows = operate(config, lambda operations: operations.shape())
    if as_json:
        show_json(shape_row(row) for row in rows)
    else:
        _show_shape(rows)


def _show_shape(shapes: Sequence[HopShape]) -> None:
    minutes = [str(age // timedelta(minutes=1)) for age in SHAPE_AGES]
    numbers = ["all", *minutes, f"{minutes[-1]}+"]
    show_table(
        screen(),
        ["next hop: domain", "state", *numbers],
        ([_way(shape), shape.waiting.state, *_numbers(shape.waiting)] for shape in shapes),
        title="waiting deliveries, by age in minutes (up to)",
        empty="nothing is waiting",
        right=numbers,
        firm=["state", *numbers],
    )


def _way(shape: HopShape) -> str:
    hop = "\n".join([shape.next_hop, *(["(hold)"] if shape.is_held else [])])
    return f"{hop}:\n{shape.waiting.domain}" if shape.next_hop != shape.waiting.domain else f"{hop} (MX)"


def _numbers(waiting: ShapeRow) -> list[str]:
    """Return the sum and each age; nothing where there is nothing, so that the rest stands out."""
    return [str(number) if number else "" for number in (sum(waiting.ages), *waiting.ages)]


def shape_row(shape: HopShape) -> dict[str, object]:
    """Return one row of the shape for JSON output; the keys are public (docs/cli.md)."""
    bounds = [*(f"under_{age // timedelta(minutes=1)}m" for age in SHAPE_AGES), "older"]
    row = shape.waiting
    whole = {
        "next_hop": shape.next_hop,
        "domain": row.domain,
        "state": row.state,
        "is_held": shape.is_held,
        "total": sum(row.ages),
    }
    return whole | dict(zip(bounds, row.ages, strict=True))
