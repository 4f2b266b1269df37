"""Who has done what to the installation, when and from where?"""
