"""Which objects does a Kubernetes cluster need to run a pipeline?"""
