"""Who wants what: partners, their templates, and the sellers' registrations, read from files.

Guarantees: what is loaded is whole and good; a bad file stops the start, and while running leaves the last
good state in force. Nothing here sends, stores or renders a mail. docs/partners.md and
docs/configuration.md are for the people who write the files.
"""

from relay.registry.contact import Contact
from relay.registry.group import Templates, load_templates
from relay.registry.live import LiveRegistry
from relay.registry.partner import Hazard, Partner
from relay.registry.piece import Piece, Unit
from relay.registry.registration import MAX_RECIPIENTS, Registration, Seller, SellerFile
from relay.registry.registry import Registry, load_registry
from relay.registry.rule import ValueRule
from relay.registry.template import PartnerTemplate

__all__ = [
    "MAX_RECIPIENTS",
    "Contact",
    "Hazard",
    "LiveRegistry",
    "Partner",
    "PartnerTemplate",
    "Piece",
    "Registration",
    "Registry",
    "Seller",
    "SellerFile",
    "Templates",
    "Unit",
    "ValueRule",
    "load_registry",
    "load_templates",
]
