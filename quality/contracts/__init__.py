"""Which checks does a data contract ask for, and how are checks written as one?

The contracts are those of the Open Data Contract Standard, version 3
(https://bitol-io.github.io/open-data-contract-standard/latest/).
"""
