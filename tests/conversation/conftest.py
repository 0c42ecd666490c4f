"""Registers the profiles of the state machines, so that ``--hypothesis-profile`` finds them."""

from tests.conversation import profiles as profiles
