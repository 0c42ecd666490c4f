"""DashScope realtime (``/api-ws/v1/realtime``): Qwen-Omni, Qwen-ASR and Qwen-TTS over one wire."""
