"""What does a console know of an installation without asking Kafka at each request?"""
