"""The store: what happened to every notification, mail and delivery, kept through any crash.

`store.Store` is the one class that the rest of Denrei uses; `values` and `query` hold what goes in and comes
out. Behind it: `schema` (tables), `migration` and `migrations/` (bringing a file up to date), `sqlite` (how
the engine is opened and what its errors mean), `writer` (group commit), `acceptance`, `lease` and `verb`
(what can be written), `reading` (what can be asked). docs/store.md is the reader's map. This room alone knows
SQLAlchemy.
"""
