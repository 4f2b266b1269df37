"""What does each command do? Each is in the module of its name."""
