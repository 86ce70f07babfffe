"""Every fuzz target keeps its invariant on its own seeds, without a fuzzer."""

import pytest

from tests.fuzz.target import TARGETS, Case, load, octets_of, text_of


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_keep_the_invariant(name: str) -> None:
    """Each seed runs through its target; a target without seeds would start blind."""
    target = load(name)
    assert len(target.seeds) >= 10
    for seed in target.seeds:
        target.run(seed)


def test_any_octets_are_a_case_and_a_case_comes_back_from_its_octets() -> None:
    """What a fuzzer saves stands for the same template and values when it is run again."""
    for content in (b"", b"\xff\x1e", b"a\x1eo9", "品名\x1ep3\x1e一\x1d二\x1e".encode()):
        case = Case.of(content)
        assert Case.of(case.content()) == case
        assert octets_of(text_of(content)) == content
