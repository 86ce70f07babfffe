"""Why a source is no template: from the place where reading stopped to an error with its mend.

`diagnosis` looks at that place and asks who knows the sort of mistake: `field` (fields and filters),
`condition` (IF), `block` (openings and ends); all of them make a `Fault`.
"""

from grammar.diagnosis.diagnosis import diagnose
from grammar.diagnosis.fault import Opening, Stop

__all__ = ["Opening", "Stop", "diagnose"]
