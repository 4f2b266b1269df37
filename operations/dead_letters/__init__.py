"""What became of dead letters, and how are they settled?"""
