"""The gateway of the soak: the model ``echo``, and a page that tells how many tasks there are."""

from __future__ import annotations

import asyncio
import gc

from voicewire.gateway.app import create_app
from voicewire.gateway.server import GatewayServer, bind
from voicewire.gateway.settings import GatewaySettings
from voicewire.models import create_model


def main() -> None:
    """Serves until it is told to stop."""
    app = create_app(create_model("echo"), settings=GatewaySettings(max_sessions=1000, drain_s=0))

    async def tasks() -> int:
        gc.collect()
        return len(asyncio.all_tasks())

    app.add_api_route("/tasks", tasks)
    with bind("127.0.0.1", 0) as listener:
        GatewayServer(app, listener, on_ready=lambda url: print(url, flush=True)).run(sockets=[listener])


if __name__ == "__main__":
    main()
