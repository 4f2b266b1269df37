"""Which requests does the console's API answer? One module for each resource."""
