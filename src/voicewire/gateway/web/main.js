/** Starts the page: joins the document's buttons and fields to the conversation. */
import { App } from "./app.js";
import { showLevel, showTrouble } from "./dock.js";
import { download, need } from "./dom.js";
import { KeyDialog } from "./key.js";
import { authorization } from "./link.js";
import { wavFile } from "./pcm.js";
import { Settings } from "./settings.js";
import { RECORDING_RATE } from "./sound.js";

/** @typedef {import("./app.js").Phase} Phase */

const REDRAW_MS = 250;

/** @type {Record<Phase, string>} */
const WORDS = {
  off: "Press to talk",
  connecting: "Connecting \u2026",
  waiting: "Reconnecting \u2026",
  locked: "This server needs a key",
  idle: "Press to talk",
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
};

/** @type {Record<string, string>} */
const LINK_WORDS = { off: "not connected", connecting: "connecting", waiting: "reconnecting", locked: "locked" };

const talk = need("talk", HTMLButtonElement);
const keyDialog = new KeyDialog(() => void loadConfig());

const settings = new Settings({
  onModel: () => {
    offerCamera();
    void app.restart();
  },
  onChange: () => {
    app.reconfigure();
  },
});

const app = new App(settings, {
  onPhase: showPhase,
  onLevel: showLevel,
  onTrouble: showTrouble,
  onLocked: (why) => keyDialog.ask(why),
});

function offerCamera() {
  app.camera.offer(settings.chosen?.takes_images ?? false);
}

/** @param {Phase} phase */
function showPhase(phase) {
  const isManual = settings.isManual;
  document.body.dataset["phase"] = phase;
  document.body.classList.toggle("is-mic-on", app.isMicOn && (!isManual || app.isPressed));
  const isWaitingForUser = phase === "off" || phase === "idle";
  const words = isManual && isWaitingForUser ? "Hold the button, or the space bar, to talk" : WORDS[phase];
  need("phase", HTMLElement).textContent = words;
  need("link-state", HTMLElement).textContent = LINK_WORDS[phase] ?? "connected";
  talk.setAttribute("aria-pressed", String(isManual ? app.isPressed : app.isMicOn));
  need("talk-name", HTMLElement).textContent = isManual ? "Hold to talk" : "Talk";
  need("stop", HTMLButtonElement).disabled = !(phase === "speaking" || phase === "thinking");
  need("end", HTMLButtonElement).disabled = phase === "off";
}

async function loadConfig() {
  for (let pause = 500; ; pause = Math.min(8000, pause * 2)) {
    try {
      const answer = await fetch("page/config.json", { headers: authorization(), cache: "no-store" });
      if (answer.status === 401) {
        keyDialog.ask("");
        return;
      }
      if (answer.ok) {
        settings.load(await answer.json());
        offerCamera();
        showTrouble("");
        showPhase(app.phase);
        break;
      }
      showTrouble(`The server answered ${answer.status}. Trying again \u2026`);
    } catch {
      showTrouble("The server does not answer. Trying again \u2026");
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  if (app.link.canResume) {
    app.link.open();
  }
}

function joinTalk() {
  talk.addEventListener("click", () => {
    if (!settings.isManual) {
      void app.toggleMic();
    }
  });
  talk.addEventListener("pointerdown", (event) => {
    if (settings.isManual && event.button === 0) {
      talk.setPointerCapture(event.pointerId);
      void app.press();
    }
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    talk.addEventListener(name, () => settings.isManual && app.release());
  }
  talk.addEventListener("contextmenu", (event) => event.preventDefault());
  addEventListener("keydown", (event) => {
    // Escape in front of an open dialog or panel closes that, and nothing else.
    if (event.key === "Escape" && document.querySelector("dialog[open], :popover-open") === null) {
      app.interrupt();
    } else if (isTalkKey(event)) {
      event.preventDefault();
      if (!event.repeat) {
        void app.press();
      }
    }
  });
  addEventListener("keyup", (event) => {
    if (settings.isManual && (event.key === " " || event.key === "Enter")) {
      app.release();
    }
  });
  addEventListener("blur", () => settings.isManual && app.release());
}

/**
 * Space talks wherever it does not mean something else already; Enter does on the button itself.
 * @param {KeyboardEvent} event
 */
function isTalkKey(event) {
  const target = event.target instanceof Element ? event.target : null;
  if (!settings.isManual || keyDialog.isOpen || event.ctrlKey || event.altKey || event.metaKey) {
    return false;
  }
  if (target === talk) {
    return event.key === " " || event.key === "Enter";
  }
  return event.key === " " && target?.closest("input, textarea, select, button, summary, a") === null;
}

function joinRest() {
  need("stop", HTMLButtonElement).addEventListener("click", () => app.interrupt());
  need("end", HTMLButtonElement).addEventListener("click", () => app.end());
  need("trouble-close", HTMLButtonElement).addEventListener("click", () => showTrouble(""));
  need("camera", HTMLButtonElement).addEventListener("click", () => void app.toggleCamera());
  for (const starter of need("starters", HTMLElement).querySelectorAll("button")) {
    starter.addEventListener("click", () => void app.type(starter.textContent ?? ""));
  }
  const field = need("compose-text", HTMLInputElement);
  need("compose", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text !== "") {
      field.value = "";
      void app.type(text).then((wasSent) => {
        if (!wasSent) {
          field.value = text;
        }
      });
    }
  });
  need("forget", HTMLButtonElement).addEventListener("click", () => app.forget());
  need("save-text", HTMLButtonElement).addEventListener("click", saveText);
  need("save-json", HTMLButtonElement).addEventListener("click", saveJson);
  need("save-wav", HTMLButtonElement).addEventListener("click", () => void saveRecording());
}

function saveText() {
  const lines = app.captions.transcript().map((entry) => {
    const missed = "not_heard" in entry ? ` [not heard: ${entry.not_heard}]` : "";
    const result = "result" in entry ? ` = ${entry.result}` : "";
    return `${entry.time} ${entry.name}: ${entry.text}${result}${missed}`;
  });
  download("conversation.txt", new Blob([`${lines.join("\n")}\n`], { type: "text/plain" }));
}

function saveJson() {
  const whole = { transcript: app.captions.transcript(), turns: app.turns.export(), timeline: app.timeline.export() };
  download("conversation.json", new Blob([JSON.stringify(whole, null, 2)], { type: "application/json" }));
}

/** @returns {Promise<Blob | null>} */
async function recording() {
  const sound = await app.sound;
  if (sound === null || sound === undefined) {
    return null;
  }
  await sound.finishRecording();
  return wavFile(sound.recording, 2, RECORDING_RATE);
}

async function saveRecording() {
  const file = await recording();
  if (file === null) {
    showTrouble("There is nothing to save yet.");
  } else {
    download("conversation.wav", file);
  }
}

joinTalk();
joinRest();
app.captions.load();
addEventListener("pagehide", () => app.captions.save());
showPhase("off");
app.timeline.show();
setInterval(() => {
  if (!document.hidden && app.phase !== "off") {
    app.timeline.show();
  }
}, REDRAW_MS);
void loadConfig();

// For whoever measures the page from outside: its own tests, and a support case in the browser's console.
Object.assign(globalThis, { voicewire: { app, recording } });
