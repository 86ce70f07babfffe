"""What proving a mail costs: reading it back and comparing it with its record, beside rendering it.

Goal: at most twice the time of rendering. Every shipped order template is measured with three orders,
rendering and proving by turns. Then the CROSS MALL mail grows from ten to a thousand orders: the cost of each
order must stay. Run: `python -m tests.bench reading`.
"""

import timeit
from pathlib import Path
from typing import Any

from grammar import Record, Renderer, compile_template, load_catalogue, parse
from grammar.analysis import Unit
from grammar.reader import Reader, compile_reader
from tests.support.records import sample_document

TEMPLATES = Path(__file__).resolve().parents[2] / "partner_templates"
ORDERS = (10, 100, 1_000)
ROUNDS = 40  # the best is taken: everything that disturbs a round makes it slower, never faster
CALLS = 600  # of a mail of one order; fewer of a longer one


def run() -> None:
    """Print the ratio for each template, and the cost of one order in mails of three sizes."""
    catalogue = load_catalogue()
    ratios: list[float] = []
    for file in sorted(TEMPLATES.glob("*/order_info.mail")):
        renderer, reader = _compiled(file.read_text(encoding="utf-8"), catalogue)
        record = catalogue.record(sample_document())
        if renderer.unit == "order":
            record = record.for_order(0)
        rendering, proving = _measured(renderer, reader, record)
        ratios.append(proving / rendering)
        name = file.parent.name
        print(f"  {name:<16} render {rendering:6.2f} µs  prove {proving:6.2f} µs  {ratios[-1]:5.2f} ×")
    print(
        f"  worst and middle (goal: at most 2): {max(ratios):.2f} × {sorted(ratios)[len(ratios) // 2]:.2f} ×"
    )
    renderer, reader = _compiled(
        (TEMPLATES / "cross_mall/order_info.mail").read_text(encoding="utf-8"), catalogue
    )
    for orders in ORDERS:
        record = catalogue.record(sample_document(orders=orders))
        rendering, proving = _measured(renderer, reader, record)
        print(
            f"  {orders:>5} orders: render {rendering / orders:5.2f} µs an order, "
            f"prove {proving / orders:5.2f} µs an order, {proving / rendering:5.2f} ×",
            flush=True,
        )


def _compiled(file: str, catalogue: Any) -> tuple[Renderer, Reader]:
    head, body = file.split("\n---\n", 1)
    unit: Unit = "order" if "\nunit: order" in head else "pack"
    template = parse(body)
    return (
        compile_template(template, catalogue=catalogue, unit=unit),
        compile_reader(template, catalogue=catalogue, unit=unit),
    )


def _measured(renderer: Renderer, reader: Reader, record: Record) -> list[float]:
    text = renderer(record)
    assert reader.misreadings(text, record) == ()
    calls = max(1, CALLS // len(record.orders))
    best = [float("inf")] * 2
    for _ in range(ROUNDS):  # by turns, so that a busy machine disturbs both alike
        for index, call in enumerate((lambda: renderer(record), lambda: reader.misreadings(text, record))):
            best[index] = min(best[index], timeit.timeit(call, number=calls) / calls * 1e6)
    return best
