"""Gemini Live (BidiGenerateContent): typed frames and a codec for each side of the wire. Pure."""
