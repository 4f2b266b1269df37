"""What is needed before and around a run: new pipelines and stages, settings, a diagnosis."""
