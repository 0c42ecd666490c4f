"""DashScope task wire (`/api-ws/v1/inference`): typed frames and a codec for both sides."""
