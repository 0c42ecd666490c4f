// Drives a realtime server with the stock client of rt-client (beta dialect).
// usage: node rt_judge.mjs JOB.json   Prints one JSON object a line; exits 1 when a scenario fails.
// The job: { url, model, mode ("azure" or "openai"), scenario, prompt, next, speechFile (PCM16, 24 kHz), pace, weather, timeoutMs }
import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { RTClient } from "rt-client";

const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const fail = (why) => {
  print({ kind: "failed", why: String(why?.stack ?? why) });
  process.exit(1);
};
setTimeout(() => fail(`no end after ${job.timeoutMs} ms`), job.timeoutMs).unref();
const check = (isTrue, why) => isTrue || fail(why);

const target = new URL(job.url);
const address = { host: target.hostname, port: Number(target.port) };
// The client's OpenAI mode has the service's address built in, so its one request is led to the server under judgement.
const led = (options) => http.request({ ...options, ...address, createConnection: () => net.connect(address) });
if (job.mode === "openai") {
  https.request = led;
  https.get = (options) => {
    const request = led(options);
    request.end();
    return request;
  };
}
const client =
  job.mode === "openai"
    ? new RTClient({ key: "judge" }, { model: job.model })
    : new RTClient(new URL(job.url), { key: "judge" }, { deployment: job.model });

const textItem = (text) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] });

async function speak() {
  const pcm = new Uint8Array(await readFile(job.speechFile));
  const chunkBytes = (24000 * 2 * 40) / 1000;
  for (let offset = 0; offset < pcm.length; offset += chunkBytes) {
    await client.sendAudio(pcm.subarray(offset, offset + chunkBytes));
    if (job.pace) await pause(40 / job.pace);
  }
}

// Everything of one response: its words, its audio, its calls.
async function read(response, onAudio = () => {}) {
  const found = { words: [], audioBytes: 0, calls: [] };
  for await (const item of response) {
    if (item.type === "function_call") {
      await item.waitForCompletion();
      found.calls.push({ name: item.functionName, id: item.callId, arguments: item.arguments });
      continue;
    }
    for await (const part of item) {
      if (part.type === "text") {
        let text = "";
        for await (const chunk of part.textChunks()) text += chunk;
        check(text === part.text, "the deltas do not make the text");
        found.words.push(text);
        continue;
      }
      const audio = async () => {
        for await (const chunk of part.audioChunks()) {
          found.audioBytes += chunk.length;
          onAudio();
        }
      };
      const words = async () => {
        for await (const _ of part.transcriptChunks());
      };
      await Promise.all([audio(), words()]);
      found.words.push(part.transcript);
    }
  }
  print({ kind: "response", status: response.status, details: response.statusDetails, usage: response.usage, ...found });
  return found;
}

const ask = async (text) => {
  await client.sendItem(textItem(text));
  return client.generateResponse();
};
const vad = { type: "server_vad", threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500 };
const spoken = { turn_detection: vad, input_audio_transcription: { model: "whisper-1" } };

const scenarios = {
  async text_turn() {
    const session = await client.configure({ modalities: ["text"], instructions: "Be brief.", temperature: 0.7 });
    check(session.modalities.join() === "text" && session.instructions === "Be brief.", JSON.stringify(session));
    await read(await ask(job.prompt));
    await client.configure({ modalities: ["text", "audio"], voice: "alloy" });
    await read(await ask(job.prompt));
  },
  async spoken_turn() {
    await client.configure(spoken);
    const speaking = speak();
    let heard;
    for await (const event of client.events()) {
      if (event.type === "input_audio") {
        heard = event.waitForCompletion().then(() => event);
        continue;
      }
      await read(event);
      break;
    }
    await speaking;
    const item = await heard;
    print({ kind: "heard", words: item.transcription, from: item.audioStartMillis, to: item.audioEndMillis });
  },
  async manual_turn() {
    await client.configure({ turn_detection: null, input_audio_transcription: { model: "whisper-1" } });
    await speak();
    const item = await client.commitAudio();
    await item.waitForCompletion();
    print({ kind: "heard", words: item.transcription });
    await read(await client.generateResponse());
  },
  async tool_call() {
    const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
    const tool = { type: "function", name: "get_weather", description: "Tells the weather in a city.", parameters };
    await client.configure({ modalities: ["text"], tools: [tool], tool_choice: "auto" });
    const { calls } = await read(await ask(job.prompt));
    await client.sendItem({ type: "function_call_output", call_id: calls[0].id, output: job.weather });
    await read(await client.generateResponse());
  },
  async cancelled_response() {
    const response = await ask(job.prompt);
    let cancelled;
    for await (const item of response) {
      for await (const part of item) {
        for await (const _ of part.audioChunks()) {
          cancelled ??= response.cancel();
          break;
        }
        break;
      }
      break;
    }
    await cancelled;
    print({ kind: "response", status: response.status, details: response.statusDetails, words: [] });
    await read(await ask(job.next));
  },
  async interruption() {
    await client.configure(spoken);
    const first = await ask(job.prompt);
    let speaking;
    await read(first, () => (speaking ??= speak()));
    for await (const event of client.events()) {
      if (event.type === "input_audio") continue;
      await read(event);
      break;
    }
    await speaking;
  },
  async error() {
    const refused = await client.removeItem("item_nowhere").then(
      () => fail("no error"),
      (error) => error,
    );
    print({ kind: "error", name: refused.constructor.name, code: refused.code, message: refused.message });
  },
  async drop() {
    const response = await ask(job.prompt).catch((error) => print({ kind: "lost", why: String(error) }));
    if (response) await read(response).catch((error) => print({ kind: "lost", why: String(error) }));
    await client.sendItem(textItem("again")).then(
      () => fail("the connection is still there"),
      (error) => print({ kind: "lost", why: String(error) }),
    );
  },
};

try {
  await client.init();
  await scenarios[job.scenario]();
  print({ kind: "end" });
  process.exit(0);
} catch (error) {
  fail(error);
}
