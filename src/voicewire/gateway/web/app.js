/**
 * The page's one conversation: what the user does, what the server says, and what the page then shows and plays.
 *
 * @typedef {import("./protocol.js").ServerEvent} ServerEvent
 * @typedef {import("./sound.js").MicFrame} MicFrame
 * @typedef {import("./sound.js").PlaybackNews} PlaybackNews
 * @typedef {"off" | "connecting" | "waiting" | "locked" | "idle" | "listening" | "thinking" | "speaking"} Phase
 */
import { Camera } from "./camera.js";
import { Captions } from "./captions.js";
import { Conversation, PENDING } from "./conversation.js";
import { need } from "./dom.js";
import { Link } from "./link.js";
import { toBase64 } from "./pcm.js";
import { Playout } from "./playout.js";
import { SentAudio } from "./sent.js";
import { NoMicrophone, Sound } from "./sound.js";
import { Timeline } from "./timeline.js";
import { Turns, showWaterfall } from "./turns.js";

const LONGEST_QUEUE_BYTES = 512 * 1024;
/** A microphone that gives nothing but zeros for so long is switched off somewhere; 4 s. */
const DEAF_FRAMES = 200;

export class App {
  /**
   * @param {import("./settings.js").Settings} settings
   * @param {object} view
   * @param {(phase: Phase) => void} view.onPhase
   * @param {(level: number, who: "user" | "agent") => void} view.onLevel
   * @param {(text: string) => void} view.onTrouble
   * @param {(why: string) => void} view.onLocked
   */
  constructor(settings, view) {
    this.settings = settings;
    this.view = view;
    this.captions = new Captions(need("captions", HTMLElement), need("empty", HTMLElement), need("live", HTMLElement));
    this.turns = new Turns();
    this.timeline = new Timeline(need("timeline", HTMLElement), now);
    this.link = new Link({
      config: () => settings.config(),
      history: () => this.captions.history(),
      onEvent: (event) => this.take(event),
      onState: (state, detail) => this.linkTurned(state, detail),
    });
    this.playout = new Playout((positions, generation) =>
      this.link.send({ type: "client_playout_report", positions, ...(generation === null ? {} : { generation }) }),
    );
    /** @type {Phase} */
    this.phase = "off";
    this.isMicOn = false;
    /** @private frames of nothing but zeros since the microphone was opened; null after the first sound */
    this.deafFrames = /** @type {number | null} */ (null);
    this.isPressed = false;
    this.gaps = 0;
    this.isSounding = false;
    /** @type {Promise<Sound> | null} */
    this.sound = null;
    /** @type {{resolve: () => void, reject: (error: Error) => void}[]} */
    this.waiters = [];
    /** @type {PlaybackNews[]} the last facts of the playback, for whoever measures */
    this.playbackLog = [];
    this.sent = new SentAudio(now);
    this.camera = new Camera({
      send: (image) =>
        this.link.waitingBytes <= LONGEST_QUEUE_BYTES &&
        this.link.send({ type: "client_image_append", image, format: { type: "image/jpeg" } }),
      onTrouble: view.onTrouble,
    });
    this.talk = new Conversation({
      captions: this.captions,
      turns: this.turns,
      timeline: this.timeline,
      playout: this.playout,
      sent: this.sent,
      settings,
      onTrouble: view.onTrouble,
      send: (event) => this.link.send(event),
      now,
    });
    this.ledger = this.talk.ledger;
    this.showLatency();
  }

  // ------------------------------------------------------------------ what the user does

  /** Opens the microphone, or closes it. */
  async toggleMic() {
    if (this.isMicOn) {
      this.closeMic();
    } else {
      await this.openMic();
    }
  }

  async openMic() {
    try {
      await this.ready();
      const sound = await this.openSound();
      await sound.openMic(this.settings.chosen?.input_rate_hz ?? 24000, () => {
        this.closeMic();
        this.view.onTrouble("The microphone was disconnected. Press Talk to use another one.");
      });
      this.isMicOn = true;
      this.deafFrames = 0;
      this.view.onTrouble("");
    } catch (error) {
      this.fail(error);
    }
    this.refresh();
  }

  closeMic() {
    this.isMicOn = false;
    this.isPressed = false;
    if (this.talk.isUserSpeaking) {
      this.link.send({ type: "client_audio_commit" });
    }
    void this.sound?.then((sound) => sound.closeMic());
    this.view.onLevel(-100, "user");
    this.refresh();
  }

  /** Shows the camera to the agent, or no more. */
  async toggleCamera() {
    if (this.camera.isOn) {
      this.camera.close();
      return;
    }
    try {
      await this.ready();
      await this.camera.open();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The user takes the floor and keeps it until `release`. */
  async press() {
    if (this.isPressed) {
      return;
    }
    this.isPressed = true;
    this.interrupt();
    this.refresh();
    if (!this.isMicOn) {
      await this.openMic();
    }
    if (this.isPressed && this.isMicOn) {
      this.timeline.begin("user", now());
    }
  }

  release() {
    if (!this.isPressed) {
      return;
    }
    this.isPressed = false;
    if (this.isMicOn && this.link.isReady && this.sent.hasAny) {
      this.link.send({ type: "client_audio_commit" });
      this.timeline.end("user", now());
      this.captions.open(PENDING, "user", "You");
      this.talk.turnEnded(now(), false);
    }
    this.refresh();
  }

  /** @param {string} text */
  async type(text) {
    try {
      await this.ready();
      await this.openSound();
    } catch (error) {
      this.fail(error);
      return false;
    }
    this.interrupt();
    this.link.send({ type: "client_text_append", text });
    const entry = this.captions.open(`typed-${Date.now()}`, "user", "You");
    entry.text = text;
    this.captions.finish(entry);
    this.talk.turnEnded(now(), true);
    this.refresh();
    return true;
  }

  /** Stops what the agent says, or is about to say. */
  interrupt() {
    if (this.isSounding || this.talk.isAnswering || this.talk.isDue || this.talk.openTools.size > 0) {
      this.talk.isDue = false;
      this.talk.openTools.clear();
      this.playout.interrupt();
      this.link.send({ type: "client_response_cancel" });
      this.refresh();
    }
  }

  end() {
    this.closeMic();
    this.playout.interrupt();
    this.link.close();
  }

  /** Ends the conversation and keeps nothing of it. */
  forget() {
    this.end();
    this.captions.clear();
    this.captions.save();
    this.turns.all = [];
    this.gaps = 0;
    this.showLatency();
    this.timeline.clear();
    void this.sound?.then((sound) => sound.forget());
  }

  /** Voice, instructions or turn-taking changed. */
  reconfigure() {
    this.link.update();
    if (this.settings.isManual) {
      // The server no longer listens for the end of a turn, so it will not tell it.
      this.talk.forsakeTurn();
    }
    this.refresh();
  }

  /** The model changed: the next session is another one that knows what was said. */
  async restart() {
    if (this.link.state === "off") {
      return;
    }
    const wasMicOn = this.isMicOn;
    this.playout.interrupt();
    this.link.close();
    if (wasMicOn) {
      await this.openMic();
    } else {
      await this.ready().catch((error) => this.fail(error));
    }
  }

  // ------------------------------------------------------------------ the line

  /** Waits until there is a session. */
  async ready() {
    if (this.link.isReady) {
      return;
    }
    const done = new Promise((/** @type {(value: void) => void} */ resolve, reject) => {
      this.waiters.push({ resolve: () => resolve(), reject });
    });
    this.link.open();
    await done;
  }

  /**
   * @param {import("./link.js").LinkState} state
   * @param {string} detail
   */
  linkTurned(state, detail) {
    if (state === "ready") {
      this.waiters.splice(0).forEach((waiter) => waiter.resolve());
      this.playout.sendNow(null);
      this.view.onTrouble("");
    } else if (state !== "connecting") {
      this.talk.stop();
      // The server stops its agent when the line is gone, so nothing more is to be heard of it here either.
      this.playout.interrupt();
      this.captions.finishAll();
      this.timeline.end("user", now());
    }
    if (state === "off" || state === "locked") {
      const usual = state === "locked" ? "This server needs a key." : "The conversation was ended.";
      this.waiters.splice(0).forEach((waiter) => waiter.reject(new Error(detail || usual)));
      if (this.isMicOn) {
        this.closeMic();
      }
      this.camera.close();
    }
    if (state === "off" && detail !== "") {
      this.view.onTrouble(detail);
    } else if (state === "waiting") {
      this.view.onTrouble(`${detail} Reconnecting \u2026`);
    } else if (state === "locked") {
      this.view.onLocked(detail);
    }
    this.refresh();
  }

  /** @param {ServerEvent} event */
  take(event) {
    this.talk.take(event);
    this.refresh();
  }

  // ------------------------------------------------------------------ sound

  /** @returns {Promise<Sound>} */
  async openSound() {
    this.sound ??= Sound.open((news) => this.playbackTold(news)).then((sound) => {
      sound.onFrame = (frame) => this.micFrame(frame);
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
    this.view.onLevel(frame.level, "user");
    this.noteDeafness(frame);
    const isWanted = !this.settings.isManual || this.isPressed;
    if (!isWanted || !this.link.isReady || this.link.waitingBytes > LONGEST_QUEUE_BYTES) {
      return;
    }
    const rate = this.settings.chosen?.input_rate_hz ?? 24000;
    this.sent.add((frame.pcm.byteLength * 500) / rate);
    this.link.send({
      type: "client_audio_append",
      audio: toBase64(frame.pcm),
      format: { type: "audio/pcm", rate },
    });
  }

  /**
   * @private
   * @param {MicFrame} frame
   */
  noteDeafness(frame) {
    if (this.deafFrames === null) {
      return;
    }
    this.deafFrames += 1;
    if (frame.level > -100) {
      if (this.deafFrames > DEAF_FRAMES) {
        this.view.onTrouble("");
      }
      this.deafFrames = null;
    } else if (this.deafFrames === DEAF_FRAMES) {
      this.view.onTrouble("Nothing comes from the microphone. Is it muted, or is another one meant?");
    }
  }

  /**
   * @private
   * @param {PlaybackNews} news
   */
  playbackTold(news) {
    this.playbackLog.push(news);
    this.playbackLog.splice(0, this.playbackLog.length - 500);
    switch (news.type) {
      case "position":
        this.view.onLevel(news.level, "agent");
        this.playout.note(news.positions, null, !this.isSounding);
        break;
      case "flushed":
        this.playout.note(news.positions, news.generation, true);
        break;
      case "sounding":
        this.isSounding = news.isOn;
        if (news.isOn) {
          this.talk.isDue = false;
          this.turns.stamp("audible", now());
          this.showLatency();
          this.timeline.begin(this.talk.speakers.get(news.itemId) ?? "agent", now());
        } else {
          this.view.onLevel(-100, "agent");
          this.timeline.lanes.forEach((_, lane) => lane !== "user" && this.timeline.end(lane, now()));
          this.playout.sendNow(null);
        }
        break;
      case "late":
        this.gaps += 1;
        this.showLatency();
        break;
      case "overflow":
        this.view.onTrouble("The agent sends more than ten minutes ahead; the end of its speech is lost.");
        break;
    }
    this.refresh();
  }

  // ------------------------------------------------------------------ bookkeeping

  /**
   * @private
   * @param {unknown} error
   */
  fail(error) {
    this.isPressed = false;
    if (error instanceof NoMicrophone || error instanceof Error) {
      this.view.onTrouble(error.message);
    }
  }

  /** @private */
  showLatency() {
    showWaterfall(need("waterfall", HTMLElement), this.turns, this.gaps);
  }

  /** @private */
  refresh() {
    const phase = this.currentPhase();
    if (phase !== this.phase) {
      this.phase = phase;
    }
    this.view.onPhase(phase);
  }

  /**
   * @private
   * @returns {Phase}
   */
  currentPhase() {
    const state = this.link.state;
    if (state !== "ready") {
      return state;
    }
    if (this.isSounding) {
      return "speaking";
    }
    if (this.talk.isUserSpeaking || this.isPressed) {
      return "listening";
    }
    if (this.talk.isDue || this.talk.isAnswering || this.talk.openTools.size > 0) {
      return "thinking";
    }
    return this.isMicOn && !this.settings.isManual ? "listening" : "idle";
  }
}

/** Seconds of the page's clock. */
export function now() {
  return performance.now() / 1000;
}
