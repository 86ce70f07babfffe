"""What cannot be read back in a template, told before it is used (docs/reading-back.md).

`checks` walks along a reader's plan, `witness` finds rows that two ways can both print, `sample` knows what a
field may print, `lookalike` finds text that was meant as a marker.
"""

from grammar.checks.checks import Finding, findings

__all__ = ["Finding", "findings"]
