"""``futukit.futu`` under the official package's other name."""

from futukit.futu import *  # noqa: F403
from futukit.futu import __all__ as __all__
