"""How is it going: rates, ages, handling times and dead shares of every stage."""
