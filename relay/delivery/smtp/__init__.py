"""One SMTP connection to a next hop: opened as its policy wants it, then mail after mail."""
