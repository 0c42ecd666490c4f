"""The OpenAI Realtime wire (GA), both sides: `client.OpenAIClientCodec` and `server.OpenAIServerCodec`."""
