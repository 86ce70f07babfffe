"""The verbs on templates: see them, try a notification on one, and find what could write no mail.

Nothing here sends or stores. Source: ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grammar import Catalogue
from relay.errors import BadInput, Problem
from relay.notification import Notification, NotificationType
from relay.operations.document import MAIL_SUFFIX, MAX_DOCUMENT, Mended, ReadFile, read_notification
from relay.operations.finding import PlacedFinding, path_of, registration_findings, template_findings
from relay.operations.office import Verbs
from relay.registry import PartnerTemplate, Registration
from relay.sample import PACK_OF_THREE, sample_document
from relay.source import read_source
from relay.store.values import Mail
from relay.wording import near_miss


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The mails that a notification would make, and what was done to its values for them."""

    mails: tuple[Mail, ...]
    notes: tuple[str, ...]  # as the journal would have them


class TemplateVerbs(Verbs):
    """What a person can see of templates, and try with them."""

    def templates(self) -> Sequence[PartnerTemplate]:
        """Return every template, by number."""
        return tuple(self._office.templates)

    def template(self, name: str) -> PartnerTemplate:
        """Return a template by its key or number; raises BadInput with the nearest name."""
        found = self._office.templates.find(name)
        if found is None:
            hint = self._office.templates.near_miss(name) or "denrei template list shows all"
            raise BadInput([Problem(path=name, message="there is no such template", hint=hint)])
        return found

    def template_for(self, name: str, type: NotificationType) -> PartnerTemplate:  # noqa: A002  (the notification's word)
        """Return the template that a person means by a name: its key, its number, or its group and this type.

        Raises:
            BadInput: there is none, the group has several for the type, or the named one is for another type.
        """
        templates = self._office.templates
        if name not in templates.partners:
            found = templates.find(name)
            if found is None:
                hint = near_miss(name, [*templates.partners, *templates.by_key])
                message = "there is no such group or template"
                raise BadInput([Problem(path=name, message=message, hint=hint)])
            if found.notification is not type:
                message = f"is for {found.notification}, and the notification is {type}"
                raise BadInput([Problem(path=found.key, message=message)])
            return found
        fit = [each for each in templates if each.partner.key == name and each.notification is type]
        if len(fit) != 1:
            keys = ", ".join(each.key for each in fit)
            message = f"has {len(fit) or 'no'} templates for {type}"
            raise BadInput(
                [Problem(path=name, message=message, hint=f"name one of them: {keys}" if keys else "")]
            )
        return fit[0]

    def read_file(self, path: Path) -> ReadFile:
        """Return what a notification document or a mail in a file says; raises BadInput."""
        if path.suffix.lower() != MAIL_SUFFIX:
            return ReadFile(notification=read_notification(path), template=None)
        content = read_source(path, limit=MAX_DOCUMENT)
        decoded = self._office.decoder.decode(content, self._office.clock.now())
        return ReadFile(notification=decoded.notification, template=decoded.template)

    @property
    def catalogue(self) -> Catalogue:
        """The fields that templates may name."""
        return self._office.catalogue

    def findings(self, names: Sequence[str] | None = None) -> list[PlacedFinding]:
        """Return what cannot be read back in general.

        Args:
            names: templates by key or number; None: all of them, and what registrations have of their own.

        Raises:
            BadInput: a name that no template has, or a file that cannot be read.
        """
        office = self._office
        chosen = office.templates if names is None else [self.template(name) for name in dict.fromkeys(names)]
        found = [
            finding
            for template in chosen
            for finding in template_findings(template, path_of(template, office.templates), office.catalogue)
        ]
        if names is None:
            found += registration_findings(office.registry.current.sheets.values(), office.catalogue)
        return found

    def preview(
        self, notification: Notification, template: str, *, recipient: str, recognition_key: str = ""
    ) -> Preview:
        """Return the mails that a plain registration of this template would cause; sends nothing.

        Raises:
            BadInput: they cannot be written, or would be misread; with the rows that quarantine would show.
        """
        chosen = self.template(template)
        registration = Registration(
            id="preview",
            seller_id=notification.seller_id,
            template=chosen,
            recipients=(recipient,),
            use=True,
            wait=False,
            period=None,
            recognition_key=recognition_key,
            subject=chosen.subject,
            sender=chosen.sender,
            body=chosen.body,
            registered_by="",
            registered_at=None,
            changed_by="",
            changed_at=None,
        )
        composition = self._office.composer.compose(notification, [registration])
        if composition.unwritable:
            raise BadInput([Problem(path=chosen.key, message=each.reason) for each in composition.unwritable])
        return Preview(
            mails=tuple(composed.mail for composed in composition.mails),
            notes=tuple(each.detail for each in composition.rewritings),
        )

    def unwritable(self) -> list[Problem]:
        """Return why registrations could send no mail, whatever a notification says.

        A sample notification is written for each one, also those with use N: a body that not even the sample
        can be read back from would send every mail to quarantine. Sends and stores nothing.
        """
        sample = Mended(name=PACK_OF_THREE, content=sample_document()).notification()
        problems: list[Problem] = []
        for sheet in self._office.registry.current.sheets.values():
            for registration in sheet.registrations:
                values = {"seller_id": registration.seller_id, "type": registration.template.notification}
                trial = sample.model_copy(update=values)
                for each in self._office.composer.compose(trial, [registration]).unwritable:
                    path = f"registration {registration.id}"
                    problems.append(Problem(file=str(sheet.path), path=path, message=each.reason))
        return problems
