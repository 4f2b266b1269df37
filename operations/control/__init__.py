"""What do people ask of a running pipeline: pause, resume, cancel?"""
