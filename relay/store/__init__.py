"""The store: what happened to every notification, mail and delivery, kept through any crash.

`store.Store` is the one class that the rest of Denrei uses, `reader.Reader` the part of it that only asks;
`values` and `query` hold what goes in and comes out. Behind it: `opening`, `migration` and `migrations/`
(making a file and bringing it up to date), `sqlite` (how the engine is opened and what its errors mean),
`schema` and `row` (tables, and values in them), `writer` (group commit). What can be written: `acceptance`,
`claim`, `lease`, `verb`, `hold` with `standing`, `late_bounce`, `notice`, `purge`, `secret`. What can be
asked: `reading`, `tail`, `concern`, `integrity`. docs/store.md is the reader's map. This room alone knows
SQLAlchemy.
"""
