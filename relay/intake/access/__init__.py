"""Who may come, sign in and send, how much, and what the relay shows of itself."""
