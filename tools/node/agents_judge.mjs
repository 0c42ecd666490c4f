// Drives a realtime server with the stock WebSocket transport of @openai/agents-realtime.
// usage: node agents_judge.mjs JOB.json   Prints one JSON object a line; exits 1 when a scenario fails.
// The job: { url, model, scenario, prompt, next (said after a cancel), speechFile (PCM16, 24 kHz), pace, weather, timeoutMs }
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

// The SDK passes events that its own schema refuses on as generic ones; the judge does not let them pass.
const home = path.dirname(createRequire(import.meta.url).resolve("@openai/agents-realtime"));
const { parseRealtimeEvent } = await import(pathToFileURL(path.join(home, "openaiRealtimeEvents.mjs")));

const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const fail = (why) => {
  print({ kind: "failed", why: String(why?.stack ?? why) });
  process.exit(1);
};
setTimeout(() => fail(`no end after ${job.timeoutMs} ms`), job.timeoutMs).unref();

const calls = [];
const getWeather = tool({
  name: "get_weather",
  description: "Tells the weather in a city.",
  parameters: z.object({ city: z.string().describe("Name of the city.") }),
  execute: async ({ city }) => {
    calls.push(city);
    return job.weather;
  },
});
const agent = new RealtimeAgent({ name: "judge", instructions: "Be brief.", tools: [getWeather] });
const isManual = job.scenario === "manual_turn";
const session = new RealtimeSession(agent, {
  transport: "websocket",
  tracingDisabled: true,
  ...(isManual ? { config: { audio: { input: { turnDetection: null } } } } : {}),
});

const seen = { turns: 0, audioBytes: 0, interruptions: 0, cuts: 0, errors: 0, status: "" };
const waiting = new Set();
const until = (isTrue) =>
  new Promise((resolve) => {
    const check = () => {
      if (isTrue()) {
        waiting.delete(check);
        resolve();
      }
    };
    waiting.add(check);
    check();
  });
const changed = () => [...waiting].forEach((check) => check());

const mayErr = ["error", "drop"].includes(job.scenario);
session.on("error", (event) => {
  if (!mayErr) fail(JSON.stringify(event));
  seen.errors += 1;
  if (job.scenario === "error") print({ kind: "error", error: event.error });
  changed();
});
session.on("audio", (event) => {
  seen.audioBytes += event.data.byteLength;
  changed();
});
session.on("audio_interrupted", () => {
  seen.interruptions += 1;
  changed();
});
session.on("history_updated", changed);
session.transport.on("connection_change", (status) => {
  seen.status = status;
  changed();
});
session.transport.on("*", (event) => {
  const { isGeneric } = parseRealtimeEvent({ data: JSON.stringify(event) });
  if (isGeneric) fail(`the SDK's schema refuses ${JSON.stringify(event)}`);
  if (isManual && event.type === "input_audio_buffer.speech_started") fail("speech detected in a manual turn");
  if (event.type === "response.done") {
    seen.turns += 1;
    print({ kind: "response", status: event.response.status, details: event.response.status_details });
  }
  if (event.type === "conversation.item.truncated") {
    seen.cuts += 1;
    print({ kind: "truncated", ms: event.audio_end_ms });
  }
  changed();
});

const messages = (role) => session.history.filter((item) => item.type === "message" && item.role === role);
const words = (item) => item.content.map((part) => part.text ?? part.transcript ?? "").join(" ");

async function speak() {
  const pcm = await readFile(job.speechFile);
  const chunkBytes = (24000 * 2 * 40) / 1000;
  for (let offset = 0; offset < pcm.length; offset += chunkBytes) {
    const chunk = pcm.subarray(offset, offset + chunkBytes);
    session.sendAudio(chunk.buffer.slice(chunk.byteOffset, chunk.byteOffset + chunk.length));
    if (job.pace) await pause(40 / job.pace);
  }
}

const scenarios = {
  async text_turn() {
    session.sendMessage(job.prompt);
    await until(() => seen.turns === 1 && messages("assistant").some(words));
  },
  async spoken_turn() {
    await speak();
    await until(() => seen.turns === 1 && messages("user").some(words) && messages("assistant").some(words));
  },
  async manual_turn() {
    await speak();
    session.sendAudio(new ArrayBuffer(4800), { commit: true });
    session.transport.requestResponse();
    await until(() => seen.turns === 1 && messages("user").some(words) && messages("assistant").some(words));
  },
  async cancelled_response() {
    session.sendMessage(job.prompt);
    await until(() => seen.audioBytes > 0);
    session.interrupt();
    await until(() => seen.turns === 1);
    session.sendMessage(job.next);
    await until(() => seen.turns === 2 && words(messages("assistant").at(-1)));
  },
  async tool_call() {
    session.sendMessage(job.prompt);
    await until(() => seen.turns === 2 && messages("assistant").some(words));
  },
  async error() {
    session.transport.sendEvent({ type: "conversation.item.delete", item_id: "item_nowhere", event_id: "no-item" });
    await until(() => seen.errors === 1);
    session.sendMessage(job.prompt);
    await until(() => seen.turns === 1 && messages("assistant").some(words));
  },
  async drop() {
    session.sendMessage(job.prompt);
    await until(() => seen.status === "disconnected");
  },
  async interruption() {
    session.sendMessage(job.prompt);
    await until(() => seen.audioBytes > 0);
    await speak();
    await until(() => seen.turns === 2 && seen.interruptions > 0 && seen.cuts > 0);
  },
};

try {
  await session.connect({ apiKey: "judge", url: `${job.url}/v1/realtime?model=${job.model}` });
  await scenarios[job.scenario]();
  print({
    kind: "end",
    audioBytes: seen.audioBytes,
    calls,
    interruptions: seen.interruptions,
    status: seen.status,
    answers: messages("assistant").map(words),
    questions: messages("user").map(words),
  });
  session.close();
  process.exit(0);
} catch (error) {
  fail(error);
}
