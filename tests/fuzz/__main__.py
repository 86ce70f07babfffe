"""Fuzz every target, or those named, for a while each: `python -m tests.fuzz [--seconds N] [TARGET...]`.

The corpus grows in `.fuzz/corpus` from run to run; an input that breaks an invariant is kept in
`.fuzz/crashes`, and `python -m tests.fuzz --again FILE` runs it once more with its traceback. Ends with 1
when a target was broken.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.target import ROOT, TARGETS, load, seed_name
from tests.support.records import HOSTILE_PIECES

WORK = ROOT / ".fuzz"
SECONDS = 60
SECONDS_OF_ONE = 10  # an input that takes longer is a finding: everything here is linear
MEGABYTES = 2048
MAX_OCTETS = 8192  # of one input: shipped templates with their values have some 3,000


def main() -> int:
    """Run the targets one after another; 1 when one was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each target (default %(default)s)")
    parser.add_argument("--again", type=Path, metavar="FILE", help="run one saved input, not the fuzzer")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.targets if name not in TARGETS]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if chosen.again is not None:
        load(chosen.again.name.partition("-")[0]).run(chosen.again.read_bytes())
        return 0
    return max([fuzz(name, chosen.seconds) for name in chosen.targets or TARGETS])


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one target for so many seconds, and print what came of it."""
    corpus, crashes, log = WORK / "corpus" / name, WORK / "crashes", WORK / f"{name}.log"
    for folder in (corpus, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in load(name).seeds:
        (corpus / seed_name(seed)).write_bytes(seed)
    words = WORK / "words.dict"
    words.write_text("".join(f'"{_escaped(piece)}"\n' for piece in HOSTILE_PIECES), encoding="ascii")
    command = [sys.executable, "-m", "tests.fuzz.run", name, str(corpus)]
    command += [f"-max_total_time={seconds}", f"-timeout={SECONDS_OF_ONE}", f"-rss_limit_mb={MEGABYTES}"]
    command += [f"-max_len={MAX_OCTETS}", f"-dict={words}", f"-artifact_prefix={crashes}/{name}-"]
    command += ["-print_final_stats=1"]
    with log.open("wb") as output:
        code = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, check=False).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    inputs = sum(1 for _ in corpus.iterdir())
    print(f"{name}: {runs[1] if runs else '?'} runs, {inputs} inputs kept: {'BROKEN' if code else 'ok'}")
    if code:
        found = re.search(r"=== Uncaught Python exception: ===\n(.*?)\n\n", text, re.DOTALL)
        print(found[1] if found else "\n".join(text.split("\n")[-20:]))
        saved = re.search(r"Test unit written to (\S+)", text)
        again = (
            f"python -m tests.fuzz --again {saved[1].removeprefix(f'{ROOT}/')}"
            if saved
            else "no input was saved"
        )
        print(f"whole log: {log.relative_to(ROOT)}; once more: {again}")
    return int(code != 0)


def _escaped(piece: str) -> str:
    """The piece as libFuzzer's dictionaries write it."""
    return "".join(f"\\x{octet:02X}" for octet in piece.encode("utf-8", "surrogatepass"))


if __name__ == "__main__":
    sys.exit(main())
