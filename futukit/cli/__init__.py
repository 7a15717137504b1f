"""The command line: ``futukit demo | sim | call | watch | codegen``."""
