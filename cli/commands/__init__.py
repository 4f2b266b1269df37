"""What happens when a person types a command? Each stands in the module of its name."""
