"""The limits of the template language, each with its reason.

They bound what a template from outside can cost, whoever wrote it. Passing one raises `TemplateError` of kind
`limit`, which names the limit. Source: ours (docs/template-language.md, "Limits").
"""

MAX_SOURCE = 65_536  # octets of UTF-8: the longest known template is under 3 KiB
MAX_DEPTH = 8  # blocks in blocks: deeper than anyone reads, and no recursion over a tree can run out
MAX_REPETITIONS = 10_000  # of all loops of one mail together: ten times the orders that a pack may hold
MAX_OUTPUT = 1_048_576  # characters of one mail: partners' mailboxes refuse far smaller ones
MAX_FAULTS = 50  # mistakes of one template that are told at once: nobody mends more before looking again
MAX_SEGMENT_FIELDS = 64  # fields joined at once: a mail's length is known before its text is made whole
MAX_FILTERS = 8  # of one field: twice as many as the longest chain that makes sense
MAX_ARGUMENT = 200  # characters of a filter's argument: a join repeats it between all orders of a mail
MAX_LENGTH = 1_000  # that a filter cuts or pads to: a row of a mail has at most 998 octets
