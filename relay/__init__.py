"""Denrei: a marketplace's order notifications in by SMTP, and out in each partner's own mail format.

The rooms, from the door to the street, are `intake`, `registry`, `compose`, `store` and `delivery`; `app`
builds them and `operations` holds what an operator can do to them. docs/message-flow.md walks one mail
through all of them.
"""

__version__ = "0.1.0"
