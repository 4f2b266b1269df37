"""When do schedules fire, what became of their planned times, and how are they steered?"""
