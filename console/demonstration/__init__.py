"""What does the demo show, and what must its figures be?"""
