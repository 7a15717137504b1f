"""``python -m futukit`` is the command ``futukit``."""

from futukit.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
