"""Coverage-guided fuzzing of what reads text from outside; `make fuzz` runs it, and pytest runs the seeds.

One module a target. Each states its invariant in one sentence; anything else that happens is a finding, and
the octets that made it happen are kept in `.fuzz/crashes` until they have become a test.
"""
