"""What keeps an installation from working, on this machine and on its Kafka?"""
