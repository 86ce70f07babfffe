"""The operator's verbs: what a person can see and do, whether a relay is running on the same store or not.

The command line calls these and nothing deeper. Guarantees: nothing is printed here; every change is one
transaction with its journal entry and the person's name; a verb says for each id whether it was applied,
and why not; a replay that dies half way can be repeated and makes no second mail. A running relay sees a
change when it next looks at the store.

Diagnostics: `BadInput` for an id that nothing or more than one thing has, and for files; `MachineFailure`
from the store; "not applied" is a value. Source: ours.
"""

from relay.operations.delivery import MAX_SELECTION, HopShape
from relay.operations.doctor import Check, DoctorVerbs, Verdict, refused
from relay.operations.document import Mended, ReadFile, read_mended, read_notification
from relay.operations.finding import PlacedFinding, file_findings
from relay.operations.hold import HoldVerbs, Lifted, StandingHold
from relay.operations.office import Office, Outcome
from relay.operations.purge import PurgeVerbs
from relay.operations.quarantine import QuarantineVerbs
from relay.operations.spelling import respell
from relay.operations.story import Story, StoryVerbs
from relay.operations.template import Preview, TemplateVerbs

__all__ = [
    "MAX_SELECTION",
    "Check",
    "HopShape",
    "Lifted",
    "Mended",
    "Office",
    "Operations",
    "Outcome",
    "PlacedFinding",
    "Preview",
    "ReadFile",
    "StandingHold",
    "Story",
    "Verdict",
    "file_findings",
    "read_mended",
    "read_notification",
    "refused",
    "respell",
]


class Operations(HoldVerbs, StoryVerbs, QuarantineVerbs, TemplateVerbs, PurgeVerbs, DoctorVerbs):
    """Every verb, over the parts of one office."""
