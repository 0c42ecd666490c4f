"""What a conversation leaves behind: a stereo recording, a log of events, a timeline and its picture.

``timeline``, ``marks``, ``waterfall``, ``scene`` and ``svg`` are pure; ``recorder``, ``log``, ``html`` and
``png`` write files.
"""
