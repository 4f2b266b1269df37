"""Who must know when something failed?"""
