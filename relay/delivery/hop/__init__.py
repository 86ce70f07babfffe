"""One next hop: its queue, its workers, whether it may be dialled, and how fast it is served."""
