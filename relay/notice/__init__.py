"""Notices: who is told of late mails, lost mails and silent registrations, and in which words.

`watch` asks the store each minute what must be told, `letter` writes the mails, `values` says who reads them
and how what they read is shown. The texts stand in `texts/`, a file for each kind and
language; docs/notices.md is for who gets them.
"""

from relay.notice.letter import LetterWriter
from relay.notice.watch import NoticeWatch

__all__ = ["LetterWriter", "NoticeWatch"]
