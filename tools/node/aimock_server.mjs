// Serves @copilotkit/aimock as an OpenAI realtime provider.
// usage: node aimock_server.mjs FIXTURES.json   Prints its URL as one JSON line; stops when its input ends.
import { readFile } from "node:fs/promises";
import { LLMock } from "@copilotkit/aimock";

const { fixtures } = JSON.parse(await readFile(process.argv[2], "utf8"));
const mock = new LLMock({ port: 0, host: "127.0.0.1", chunkSize: 5 });
mock.addFixtures(fixtures);
await mock.start();
process.stdout.write(`${JSON.stringify({ url: mock.url })}\n`);
process.stdin.resume();
process.stdin.on("end", async () => {
  await mock.stop();
  process.exit(0);
});
