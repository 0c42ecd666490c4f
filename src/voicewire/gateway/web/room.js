/** The view of a room: several people and several agents in one conversation. */
import { showLevel, showTrouble } from "./dock.js";
import { need } from "./dom.js";
import { KeyDialog } from "./key.js";
import { Link, authorization } from "./link.js";
import { toBase64 } from "./pcm.js";
import { Playout } from "./playout.js";
import { Seats } from "./seats.js";
import { Sound } from "./sound.js";
import * as store from "./store.js";

/**
 * @typedef {import("./protocol.js").ServerEvent} ServerEvent
 * @typedef {import("./sound.js").MicFrame} MicFrame
 * @typedef {import("./sound.js").PlaybackNews} PlaybackNews
 */

/** What is heard comes under this id: everybody else, mixed. */
const SOUND_ID = "room";
const MIC_RATE = 24000;
const LONGEST_QUEUE_BYTES = 512 * 1024;
const DEFAULT_ROOM = "lobby";
const COPIED_MS = 2000;

/** @type {Record<string, string>} */
const LINK_WORDS = { off: "not connected", connecting: "connecting", ready: "connected", waiting: "reconnecting", locked: "locked" };

class Room {
  constructor() {
    this.seats = new Seats(need("seats", HTMLElement), need("live", HTMLElement));
    /** The room plays by its own clock, the same for everybody, so nothing is reported. */
    this.playout = new Playout(() => true);
    /** @type {Link | null} */
    this.link = null;
    /** @type {Promise<Sound> | null} */
    this.sound = null;
    this.isMicOn = false;
    this.isSounding = false;
  }

  get state() {
    return this.link?.state ?? "off";
  }

  // ------------------------------------------------------------------ what the user does

  /**
   * @param {string} name
   * @param {string} roomId
   */
  async join(name, roomId) {
    const userId = store.id("guest");
    this.link?.close();
    this.seats.open(userId);
    need("room-name", HTMLElement).textContent = roomId;
    const sound = this.openSound();
    this.link = new Link(
      {
        config: () => ({ user_name: name, resume: true }),
        history: () => [],
        onEvent: (event) => this.take(event, userId),
        onState: (_state, detail) => this.linkTurned(detail),
      },
      { path: `ws/room/${encodeURIComponent(roomId)}/${userId}`, sessionId: userId, token: "room-token" },
    );
    this.link.open();
    await sound.catch((error) => showTrouble(String(error)));
  }

  leave() {
    this.closeMic();
    this.link?.close();
  }

  async toggleMic() {
    if (this.isMicOn) {
      this.closeMic();
      return;
    }
    try {
      const sound = await this.openSound();
      await sound.openMic(MIC_RATE, () => {
        this.closeMic();
        showTrouble("The microphone was disconnected. Press Talk to use another one.");
      });
      this.isMicOn = true;
      showTrouble("");
    } catch (error) {
      showTrouble(error instanceof Error ? error.message : String(error));
    }
    this.show();
  }

  closeMic() {
    if (this.isMicOn && this.seats.floor === this.seats.ownId) {
      this.link?.send({ type: "client_audio_commit" });
    }
    this.isMicOn = false;
    void this.sound?.then((sound) => sound.closeMic());
    showLevel(-100, "user");
    this.show();
  }

  /** @param {string} text */
  type(text) {
    return this.link?.send({ type: "client_text_append", text }) ?? false;
  }

  /** Silences the agent that has the floor. */
  interrupt() {
    this.link?.send({ type: "client_response_cancel" });
  }

  // ------------------------------------------------------------------ the line

  /** @param {string} detail */
  linkTurned(detail) {
    if (this.state === "ready") {
      showTrouble("");
      this.playout.accept();
    } else if (this.state !== "connecting") {
      // The room goes on without this page; what it had still to play is old.
      this.playout.interrupt();
    }
    if (this.state === "off" || this.state === "locked") {
      this.closeMic();
    }
    if (this.state === "waiting") {
      showTrouble(`${detail} Reconnecting \u2026`);
    } else if (this.state === "locked") {
      keyDialog.ask(detail);
    } else if (this.state === "off" && detail !== "") {
      showTrouble(detail);
    }
    this.show();
  }

  /**
   * @param {ServerEvent} event
   * @param {string} userId
   */
  take(event, userId) {
    switch (event.type) {
      case "server_session_created":
      case "server_session_resumed":
        if (event.session_id === userId) {
          // Who is there and what was said follows.
          this.seats.clear();
        }
        break;
      case "server_room_updated":
        this.seats.update(event);
        break;
      case "agent_response_audio_delta":
        if (event.agent_id === SOUND_ID) {
          this.playout.play(event);
        }
        return;
      case "agent_response_audio_done":
        this.playout.end(event.item_id);
        return;
      case "agent_error":
        showTrouble(event.agent_name === "" ? event.message : `${event.agent_name}: ${event.message}`);
        break;
      default:
        this.seats.take(event);
    }
    this.show();
  }

  // ------------------------------------------------------------------ sound

  /**
   * To be called from a click or a key, or the browser keeps it silent.
   * @returns {Promise<Sound>}
   */
  async openSound() {
    this.sound ??= Sound.open((news) => this.playbackTold(news)).then((sound) => {
      sound.onFrame = (frame) => this.micFrame(frame);
      // Others go on speaking while this user does; nothing is held back and played later.
      sound.setHolds(false);
      sound.keepsRecording = false;
      this.playout.sound = sound;
      return sound;
    });
    const sound = await this.sound.catch((error) => {
      this.sound = null;
      throw error;
    });
    if (sound.context.state !== "running") {
      await sound.context.resume();
    }
    return sound;
  }

  /**
   * @private
   * @param {MicFrame} frame
   */
  micFrame(frame) {
    if (!this.isMicOn) {
      return;
    }
    showLevel(frame.level, "user");
    if (this.link !== null && this.link.waitingBytes <= LONGEST_QUEUE_BYTES) {
      const audio = toBase64(frame.pcm);
      this.link.send({ type: "client_audio_append", audio, format: { type: "audio/pcm", rate: MIC_RATE } });
    }
  }

  /**
   * @private
   * @param {PlaybackNews} news
   */
  playbackTold(news) {
    if (news.type === "position") {
      showLevel(news.level, "agent");
    } else if (news.type === "sounding") {
      this.isSounding = news.isOn;
      if (!news.isOn) {
        showLevel(-100, "agent");
      }
      this.show();
    }
  }

  // ------------------------------------------------------------------ what is shown

  get phase() {
    if (this.state !== "ready") {
      return this.state;
    }
    if (this.seats.floor !== "" && this.seats.floor !== this.seats.ownId && this.isSounding) {
      return "speaking";
    }
    return this.isMicOn ? "listening" : "idle";
  }

  get phaseWords() {
    const speaker = this.seats.all.get(this.seats.floor);
    if (this.phase === "speaking" && speaker !== undefined) {
      return `${speaker.name} speaks`;
    }
    return this.isMicOn ? "Your microphone is on" : "Press to talk";
  }

  show() {
    const isIn = this.state === "ready" || this.state === "waiting" || (this.state === "connecting" && this.seats.all.size > 0);
    const wasIn = !need("room", HTMLElement).hidden;
    document.body.dataset["phase"] = this.phase;
    document.body.classList.toggle("is-mic-on", this.isMicOn);
    setText("link-state", LINK_WORDS[this.state] ?? "");
    setText("floor", this.seats.floorWords);
    setText("phase", this.phaseWords);
    need("talk", HTMLButtonElement).setAttribute("aria-pressed", String(this.isMicOn));
    need("stop", HTMLButtonElement).disabled = this.seats.all.get(this.seats.floor)?.kind !== "agent";
    need("join-now", HTMLButtonElement).disabled = this.state === "connecting";
    need("door", HTMLElement).hidden = isIn;
    need("room", HTMLElement).hidden = need("dock", HTMLElement).hidden = !isIn;
    if (isIn !== wasIn) {
      need(isIn ? "compose-text" : "user-name", HTMLInputElement).focus();
    }
  }
}

/**
 * Only when it is another one: a status that is written again is read aloud again.
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  const element = need(id, HTMLElement);
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

const room = new Room();
const keyDialog = new KeyDialog(() => {
  void tellOfAgents();
  room.link?.open();
});
const userName = need("user-name", HTMLInputElement);
const roomId = need("room-id", HTMLInputElement);

/** Says who is in every room before one joins. */
async function tellOfAgents() {
  try {
    const answer = await fetch("page/config.json", { headers: authorization(), cache: "no-store" });
    if (answer.status === 401) {
      keyDialog.ask("");
    } else if (answer.ok) {
      const { room_agents: names } = /** @type {import("./protocol.js").PageConfig} */ (await answer.json());
      const who = new Intl.ListFormat("en").format(names);
      const agents = names.length === 1 ? `The agent ${who} is` : `The agents ${who} are`;
      const note = names.length === 0 ? "Nobody but people is in it." : `${agents} there. Say a name, and that agent answers.`;
      setText("door-note", `Everybody in a room hears everybody else. ${note}`);
    }
  } catch {
    showTrouble("The server does not answer. Join tries again.");
  }
}

async function copyAddress() {
  try {
    // A page that came over plain http has no clipboard.
    await navigator.clipboard.writeText(location.href);
    setText("invite", "Copied");
    setTimeout(() => setText("invite", "Copy the link"), COPIED_MS);
  } catch {
    showTrouble(`Send them this address: ${location.href}`);
  }
}

function joinButtons() {
  need("join", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const name = userName.value.trim();
    if (name === "") {
      userName.focus();
      return;
    }
    store.write("guest-name", name);
    const address = new URL(location.href);
    address.searchParams.set("id", roomId.value);
    history.replaceState(null, "", address);
    showTrouble("");
    void room.join(name, roomId.value);
  });
  need("leave", HTMLButtonElement).addEventListener("click", () => room.leave());
  need("talk", HTMLButtonElement).addEventListener("click", () => void room.toggleMic());
  need("stop", HTMLButtonElement).addEventListener("click", () => room.interrupt());
  need("trouble-close", HTMLButtonElement).addEventListener("click", () => showTrouble(""));
  need("invite", HTMLButtonElement).addEventListener("click", () => void copyAddress());
  const field = need("compose-text", HTMLInputElement);
  need("compose", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (text !== "" && room.type(text)) {
      field.value = "";
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !keyDialog.isOpen && !need("stop", HTMLButtonElement).disabled) {
      room.interrupt();
    }
  });
}

userName.value = store.read("guest-name");
roomId.value = new URL(location.href).searchParams.get("id") ?? DEFAULT_ROOM;
joinButtons();
room.show();
void tellOfAgents();

// For whoever measures the page from outside: its own tests, and a support case in the browser's console.
Object.assign(globalThis, { voicewire: { room } });
