"""What happened: the fold of entries into run rows, completion, lateness."""
