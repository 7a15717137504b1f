"""The command line: ``futukit demo | sim | call | watch | decode | codegen``."""
