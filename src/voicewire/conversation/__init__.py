"""The conversation core: pure, single writer, integer samples, generation numbers.

``host`` is the provider's side, ``session`` the application's side; both are composed of the same parts.
"""
