"""The forms that a text mail may have been written with, found by what its headers say.

A form is a subject and a body: those of a template, or a registration's own. By recognition key it is found
at once. By subject it is found through the text that the subject begins with whatever the values are: all
forms with one beginning stand together, so a thousand templates cost a few dictionary look-ups.

Guarantees: a form is offered when its subject may have been written with it; reading decides. The index is
made anew when another registry comes into force, and never before a text mail comes. Source: ours.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from grammar.ast import Item, Row, Template, Text
from relay.charset import ISO_2022_JP
from relay.intake.reading.doubt import Joint, joints_of
from relay.intake.reading.spelling import Spelling, alike, beginning_alike
from relay.registry import PartnerTemplate, Piece, Registration, Registry

_NEEDED = ("PACK_NO", "ORDER_NO")  # without which no notification can be made of a text

Current = Callable[[], Registry]


class Form:
    """One way in which a text mail may have been written."""

    def __init__(self, template: PartnerTemplate, registration: Registration | None = None) -> None:
        """Make a form of a template, or of a registration with its own subject and body."""
        owner = registration or template
        self.template = template
        self.registration = registration
        self.subject: Piece = owner.subject
        self.body: Piece = owner.body

    @property
    def name(self) -> str:
        """What a person calls it."""
        if self.registration is None:
            return f"template {self.template.key}"
        return f"registration {self.registration.id} of {self.registration.seller_id} ({self.template.key})"

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The fields that it does not print and without which nothing can be made of its mails."""
        printed = self.subject.fields | self.body.fields
        return tuple(name for name in _NEEDED if name not in printed)

    @cached_property
    def beginning_length(self) -> int:
        """How many characters each of its bodies has before the first value, at most."""
        return len(fixed_beginning(self.body.renderer.template))

    @cached_property
    def beginning(self) -> str:
        """What each of its bodies begins with, as `beginning_alike` has it."""
        return beginning_alike(fixed_beginning(self.body.renderer.template))

    @cached_property
    def joints(self) -> tuple[Joint, ...]:
        """The rows of subject and body that hold several values."""
        return (*joints_of(self.subject.renderer.template), *joints_of(self.body.renderer.template))

    @cached_property
    def subject_spelling(self) -> Spelling:
        """How its subject is spelled."""
        return Spelling(self.subject.renderer.template)

    @cached_property
    def body_spelling(self) -> Spelling:
        """How its body is spelled."""
        return Spelling(self.body.renderer.template)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormIndex:
    """The forms of one registry."""

    _by_key: Mapping[str, Sequence[Form]]
    _by_beginning: Mapping[str, Sequence[Form]]
    _lengths: Sequence[int]  # of the beginnings, the longest first

    def by_key(self, recognition_key: str) -> Sequence[Form]:
        """The forms of the registrations with this key, those with use N too; none for the empty key."""
        return self._by_key.get(key, ()) if (key := _as_header_has_it(recognition_key)) else ()

    def by_subject(self, subject: str) -> list[Form]:
        """The templates' forms whose subject begins so; the most telling beginning first."""
        spelled = alike(subject)
        return [
            form
            for length in self._lengths
            if len(spelled) >= length
            for form in self._by_beginning.get(spelled[:length], ())
        ]


class Forms:
    """The index of the registry that is in force."""

    def __init__(self, current: Current) -> None:
        self._current = current
        self._known: tuple[Registry, FormIndex] | None = None

    def now(self) -> FormIndex:
        """The index of this moment. Threads that ask at once may each make it; one of them is kept."""
        registry, known = self._current(), self._known
        if known is None or known[0] is not registry:
            self._known = known = (registry, _index(registry))
        return known[1]


def _index(registry: Registry) -> FormIndex:
    by_beginning: dict[str, list[Form]] = {}
    by_key: dict[str, list[Form]] = {}
    for template in registry.templates:
        form = Form(template)
        beginning = alike(fixed_beginning(form.subject.renderer.template))
        by_beginning.setdefault(beginning, []).append(form)
    for registration in registry:
        if key := _as_header_has_it(registration.recognition_key):
            by_key.setdefault(key, []).append(Form(registration.template, registration))
    return FormIndex(
        _by_key=by_key,
        _by_beginning=by_beginning,
        _lengths=sorted({len(beginning) for beginning in by_beginning}, reverse=True),
    )


def _as_header_has_it(recognition_key: str) -> str:
    """A key in the one form that every charset and header leaves of it, for comparing.

    >>> _as_header_has_it(" 店～ｶﾞ ")
    '店〜ガ'
    """
    return alike(ISO_2022_JP.fold(recognition_key)).strip()


def fixed_beginning(template: Template) -> str:
    r"""What a template prints first, whatever the values are.

    >>> from grammar import parse
    >>> fixed_beginning(parse("注文のお知らせ\n\n[注文番号] <$_PACK_NO_$>\n[備考]\n"))
    '注文のお知らせ\n\n[注文番号] '
    """
    return "".join(_fixed(template.items))


def _fixed(items: Sequence[Item]) -> Iterator[str]:
    for item in items:
        if not isinstance(item, Row) or item.directives:
            return
        for piece in item.pieces:
            if not isinstance(piece, Text):
                return
            yield piece.text
        yield item.newline
