"""Commands run as an operator runs them: in this process or in one of their own, on a site with real SMTP."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from relay.app import Office, Relay
from relay.cli import main
from relay.cli.send import notification_mail, post
from relay.clock import SystemClock
from tests.support.serving import PartnerServer, partner_server, write_config

SAMPLES = Path(__file__).resolve().parents[2] / "relay" / "sample" / "orders"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
REGISTRATIONS = {
    "example-shop.yaml": """\
seller: example-shop
registrations:
  - {id: gear-orders, template: stock_gear/order_info, recipients: [orders@gear.example.jp]}
  - {id: mall-later, template: cross_mall/order_info, recipients: [later@mall.example.jp], wait: Y}
""",
    "other-shop.yaml": """\
seller: other-shop
registrations:
  - {id: gear-later, template: stock_gear/order_info, recipients: [later@gear.example.jp], wait: Y}
""",
}

Run = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True)
class Site:
    """A configuration, and the partner that its mails go to."""

    config: Path
    partner: PartnerServer
    hop: str  # the next hop of both domains

    def take_in(self, *documents: Path, arriving: int) -> list[str]:
        """Let a relay take the documents in and stop once so many more mails arrived; its replies."""
        return asyncio.run(self._take_in(documents, len(self.partner.mails) + arriving))

    async def _take_in(self, documents: Sequence[Path], mails: int) -> list[str]:
        office = Office.open(self.config)
        relay = await Relay.prepared(office)
        await relay.start()
        try:
            replies = [await asyncio.to_thread(send, path, relay.address) for path in documents]
            await asyncio.to_thread(self.partner.wait_for, mails)
        finally:
            await relay.stop(10.0)
            await office.close()
        return replies


def send(path: Path, address: tuple[str, int]) -> str:
    """Send a document as the marketplace does; the relay's reply."""
    to, sender = "orders@relay.example.jp", "shop@example.jp"
    mail = notification_mail(path, recipient=to, sender=sender, clock=SystemClock())
    return post(mail, host=address[0], port=address[1], recipient=to, sender=sender).text


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """A configuration whose two partner domains lead to a mail server that is not Denrei's code."""
    with partner_server() as (partner, port):
        routes = {"gear.example.jp": port, "mall.example.jp": port}
        config = write_config(folder / "site", routes=routes, registrations=REGISTRATIONS)
        yield Site(config, partner, f"127.0.0.1:{port}")


def runner(capsys: pytest.CaptureFixture[str], site: Site) -> Run:
    """What runs a command in this process: its exit code, its output, its complaints."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["--config", str(site.config), *arguments])
        return code, *capsys.readouterr()

    return run


def child(*arguments: str, typed: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own, with something typed."""
    return subprocess.run(
        [sys.executable, "-m", "relay.cli", *arguments],
        input=typed,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        **more,
    )


def changed(tmp_path: Path, name: str, change: Callable[[Any], None], sample: str = "2-no-memo.json") -> Path:
    """A sample document with a change, under another name."""
    document = json.loads((SAMPLES / sample).read_bytes())
    change(document)
    path = tmp_path / name
    path.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return path


def rows(output: str) -> list[dict[str, Any]]:
    """JSON lines as objects."""
    return [json.loads(line) for line in output.split("\n") if line]


def shortest(id_: str, ids: Sequence[str]) -> str:
    """The shortest beginning that no other id has."""
    return next(id_[:end] for end in range(1, len(id_) + 1) if sum(x.startswith(id_[:end]) for x in ids) == 1)


def documented_keys(heading: str) -> list[str]:
    """The JSON keys that docs/cli.md names for a command, in order."""
    section = re.split(
        r"^## ", PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2], flags=re.MULTILINE
    )[0]
    sentence = re.search(
        r"[Kk]eys\s+(?:of this and every other verb )?with\s+`--json`[^:]*:\s(.*?)\.(?:\s|$)",
        section,
        re.DOTALL,
    )
    assert sentence is not None
    return re.findall(r"`([a-z_0-9]+)`", sentence[1])
