"""Azure Speech wire: framing, and the service's side. Our own clients use the official SDK."""
