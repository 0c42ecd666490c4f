"""Doubles and servers for the tests of programs that use Voicewire.

Imported eagerly: the function ``serve`` must win over its module's name, and the modules are light.
"""

from voicewire.testing.clock import ManualClock
from voicewire.testing.serve import ServedGateway, serve

__all__ = ["ManualClock", "ServedGateway", "serve"]
