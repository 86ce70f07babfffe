"""SMTP with one client: octets, commands, content, TLS and AUTH.

`listener` is the whole of it to the outside; `door` is what it asks of its owner.
"""
