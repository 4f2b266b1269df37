"""What do the audit's anomalies find, and how often do they call for nothing?"""
