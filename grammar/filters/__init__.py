"""The filters: what stands between a value and what is printed of it.

`filters` has the closed set and its chains. What they do is in `width` (full-width, half-width, kana),
`notation` (numbers, phones, postal codes), `date_format` and `era`; `inverse` undoes them, so that a mail
can be taken in.
"""

from grammar.filters.filters import (
    FILTERS,
    GATHERERS,
    Chain,
    FilterFault,
    chain,
    compile_filters,
    fault,
    written,
)

__all__ = ["FILTERS", "GATHERERS", "Chain", "FilterFault", "chain", "compile_filters", "fault", "written"]
