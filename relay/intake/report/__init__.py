"""Late bounces: reports that come back to a return address, read and settled (docs/bounces.md)."""
