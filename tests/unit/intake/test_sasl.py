"""PLAIN and LOGIN, step by step."""

import base64
import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.intake.session import reply, sasl
from relay.intake.session.door import Reply
from relay.intake.session.sasl import Challenge, Credentials, begin, go_on

PRINTABLE = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40)


def coded(text):
    return base64.b64encode(text.encode())


def test_the_examples_in_the_docstrings_hold():
    """What the documentation of the module shows is what it does."""
    assert doctest.testmod(sasl).failed == 0


@given(PRINTABLE, PRINTABLE)
def test_every_way_leads_to_the_same_name_and_secret(name, secret):
    """PLAIN and LOGIN, at once or asked for, in any case of letters."""
    plain = coded(f"\0{name}\0{secret}")
    ask_name, ask_secret = Reply(code=334, text="VXNlcm5hbWU6"), Reply(code=334, text="UGFzc3dvcmQ6")
    asked = begin("Plain")
    assert asked == Challenge(ask=Reply(code=334, text=""))
    named = begin("LOGIN")
    assert named == Challenge(ask=ask_name)
    known = go_on(named, coded(name))
    assert known == begin(f"login {coded(name).decode()}") == Challenge(ask=ask_secret, name=name)
    found = [begin(f"PLAIN {plain.decode()}"), go_on(asked, plain), go_on(known, coded(secret))]
    assert found == [Credentials(name=name, secret=secret)] * 3


@given(PRINTABLE)
def test_a_secret_does_not_show(secret):
    """Printed, credentials are a name and nothing else."""
    assert repr(Credentials(name="店", secret=secret)) == "Credentials(name='店')"


@given(st.binary(max_size=60), st.sampled_from(["PLAIN", "LOGIN", "LOGIN 5bqX"]))
def test_any_answer_is_a_step_or_a_refusal(answer, how):
    """No octets raise, and what passes has a name and a secret without control characters."""
    step = go_on(begin(how), answer)
    if isinstance(step, Reply):
        assert step in {reply.NOT_BASE64, reply.BAD_LOGIN, reply.LOGIN_CANCELLED, reply.NOT_FOR_ANOTHER}
    else:
        assert step.name
        assert not any(ord(char) < 32 for char in step.name)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (b"*", reply.LOGIN_CANCELLED),
        (b"", reply.BAD_LOGIN),
        (b"=", reply.BAD_LOGIN),
        (b"AGE=AGI", reply.NOT_BASE64),
        (b"AG E=", reply.NOT_BASE64),
        (coded("a\0b"), reply.BAD_LOGIN),
        (coded("\0\0b"), reply.BAD_LOGIN),
        (coded("\0a\0"), reply.BAD_LOGIN),
        (coded("\0a\0b\0c"), reply.BAD_LOGIN),
        (coded("\0a\0b\n"), reply.BAD_LOGIN),
        (coded("\0a\x85\0b"), reply.BAD_LOGIN),
        (base64.b64encode(b"\0a\0\xff"), reply.BAD_LOGIN),
        (coded("b\0a\0c"), reply.NOT_FOR_ANOTHER),
    ],
)
def test_what_plain_refuses(answer, refusal):
    """Each malformed answer has its refusal, which says nothing of what was in it."""
    assert go_on(begin("PLAIN"), answer) == refusal
