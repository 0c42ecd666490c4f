/**
 * What the server says, told to the captions, the timeline, the measurements and the loudspeaker.
 *
 * @typedef {import("./protocol.js").ServerEvent} ServerEvent
 * @typedef {import("./protocol.js").HistoryEntry} HistoryEntry
 * @typedef {import("./protocol.js").ClientEvent} ClientEvent
 */

/** The caption of a turn that was ended by hand, until its id is known. */
export const PENDING = "pending";

/** What goes wrong without the user having to know. */
const QUIET_ERRORS = new Set(["input_audio_buffer_commit_empty", "reconnecting"]);

export class Conversation {
  /**
   * @param {object} parts
   * @param {import("./captions.js").Captions} parts.captions
   * @param {import("./turns.js").Turns} parts.turns
   * @param {import("./timeline.js").Timeline} parts.timeline
   * @param {import("./playout.js").Playout} parts.playout
   * @param {import("./sent.js").SentAudio} parts.sent
   * @param {import("./settings.js").Settings} parts.settings
   * @param {(text: string) => void} parts.onTrouble
   * @param {(event: ClientEvent) => void} parts.send
   * @param {() => number} parts.now
   */
  constructor(parts) {
    this.captions = parts.captions;
    this.turns = parts.turns;
    this.timeline = parts.timeline;
    this.playout = parts.playout;
    this.sent = parts.sent;
    this.settings = parts.settings;
    this.onTrouble = parts.onTrouble;
    this.send = parts.send;
    this.now = parts.now;
    this.isUserSpeaking = false;
    /** Whether the agent has to say something next. */
    this.isDue = false;
    /** Whether the agent is making an answer. */
    this.isAnswering = false;
    /** Whether the answer under way has had any audio. */
    this.hasSpoken = false;
    /** @type {Set<string>} calls that wait for their result */
    this.openTools = new Set();
    /** @type {Map<string, {heard: number, rate: number}>} what the ledger says of each item */
    this.ledger = new Map();
    /** @type {Map<string, string>} the agent that says each item */
    this.speakers = new Map();
  }

  /** Nothing is under way any more. */
  stop() {
    this.isUserSpeaking = this.isDue = this.isAnswering = false;
    this.openTools.clear();
  }

  /** The turn that the user has begun will not be ended by the server. */
  forsakeTurn() {
    if (this.isUserSpeaking) {
      this.isUserSpeaking = false;
      this.timeline.end("user", this.now());
      this.captions.finishUser();
    }
  }

  /** @param {ServerEvent} event */
  take(event) {
    switch (event.type) {
      case "server_session_created":
        this.sent.restart();
        break;
      case "server_session_resumed":
        this.resumed(event.history);
        break;
      case "agent_error":
        if (!QUIET_ERRORS.has(event.code)) {
          this.onTrouble(event.message);
        }
        this.isDue = false;
        break;
      case "agent_input_started":
      case "agent_input_done":
      case "agent_input_transcription_delta":
      case "agent_input_transcription_done":
        this.takeUser(event);
        break;
      default:
        this.takeAgent(event);
    }
  }

  /**
   * What the server says of the user's voice.
   * @private
   * @param {Extract<ServerEvent, {type: `agent_input_${string}`}>} event
   */
  takeUser(event) {
    switch (event.type) {
      case "agent_input_started":
        this.isUserSpeaking = true;
        this.userEntry(event.item_id);
        this.timeline.begin("user", this.sent.timeOf(event.audio_start_ms));
        break;
      case "agent_input_done": {
        const ended = this.sent.timeOf(event.audio_end_ms);
        this.isUserSpeaking = false;
        this.timeline.end("user", ended);
        if (!this.settings.isManual) {
          this.turnEnded(ended, false);
        }
        this.turns.stamp("detected", this.now());
        break;
      }
      case "agent_input_transcription_delta": {
        const entry = this.userEntry(event.item_id);
        entry.text = event.is_revision ? event.delta : entry.text + event.delta;
        entry.show();
        break;
      }
      case "agent_input_transcription_done": {
        const entry = this.userEntry(event.item_id);
        entry.text = event.transcript;
        this.turns.stamp("transcript", this.now());
        if (entry.text.trim() === "") {
          this.captions.remove(entry.id);
        } else {
          this.captions.finish(entry);
        }
        break;
      }
    }
  }

  /**
   * What an agent says and does.
   * @private
   * @param {ServerEvent} event
   */
  takeAgent(event) {
    if ("agent_id" in event) {
      this.timeline.name(event.agent_id, event.agent_name);
    }
    switch (event.type) {
      case "agent_response_created":
        this.isAnswering = true;
        this.hasSpoken = false;
        this.playout.accept();
        this.turns.stamp("created", this.now());
        break;
      case "agent_response_audio_transcript_delta": {
        const entry = this.agentEntry(event);
        entry.text += event.delta;
        entry.show();
        this.turns.stamp("word", this.now());
        break;
      }
      case "agent_response_audio_transcript_done": {
        const entry = this.agentEntry(event);
        entry.text = event.transcript || entry.text;
        entry.show();
        break;
      }
      case "agent_response_audio_delta":
        this.speakers.set(event.item_id, event.agent_id);
        if (this.playout.play(event)) {
          this.hasSpoken = true;
          this.turns.stamp("audio", this.now());
        }
        break;
      case "agent_response_audio_done":
        this.playout.end(event.item_id);
        break;
      case "agent_response_done":
        this.answered(event);
        break;
      case "agent_playout_flush":
        this.timeline.mark(event.agent_id, this.now(), "interrupted");
        this.playout.flush(event.agent_id, event.generation);
        break;
      case "agent_playout_heard":
        this.heard(event);
        break;
      case "agent_response_tool_use_done": {
        const { id, name, input, raw_input: raw } = event.tool_use;
        const shown = Object.keys(input).length > 0 ? JSON.stringify(input, null, 2) : (raw ?? "{}");
        this.openTools.add(id);
        this.captions.openTool(id, event.agent_name, { name, input: shown }, (result) =>
          this.send({ type: "client_tool_result", id, name, output: result }),
        );
        this.timeline.mark(event.agent_id, this.now(), `called ${name}`);
        break;
      }
      case "agent_response_tool_progress":
        this.captions.showProgress(event.id, event);
        break;
      case "agent_response_tool_result": {
        const { id, output } = event.tool_result;
        this.openTools.delete(id);
        this.captions.closeTool(id, typeof output === "string" ? output : JSON.stringify(output, null, 2));
        this.isDue = !this.isUserSpeaking;
        break;
      }
    }
  }

  /**
   * @private
   * @param {Extract<ServerEvent, {type: "agent_response_done"}>} event
   */
  answered(event) {
    this.isAnswering = false;
    this.isDue = false;
    this.playout.endAll();
    for (const entry of this.captions.entries.values()) {
      if (entry.role === "assistant" && !entry.isFinal && !this.hasSpoken) {
        entry.isSpoken = false;
        this.captions.finish(entry);
      }
    }
    if (event.status === "failed") {
      this.onTrouble(`The answer failed: ${event.reason || "the model gave no reason"}.`);
    }
  }

  /**
   * @private
   * @param {Extract<ServerEvent, {type: "agent_playout_heard"}>} event
   */
  heard(event) {
    this.ledger.set(event.item_id, { heard: event.heard_samples, rate: event.rate });
    const entry = this.agentEntry(event);
    entry.heard = event.heard_text;
    entry.isCut = event.is_cut && event.heard_text.length < entry.text.length;
    if (event.is_final) {
      this.captions.finish(entry);
    } else {
      entry.show();
    }
  }

  /**
   * @private
   * @param {HistoryEntry[]} history
   */
  resumed(history) {
    if (this.playout.sound === null) {
      this.captions.restore(history);
    }
  }

  /**
   * The user has finished.
   * @param {number} time
   * @param {boolean} isTyped
   */
  turnEnded(time, isTyped) {
    this.isDue = true;
    this.turns.begin(time, isTyped);
  }

  /**
   * The caption of what the user says; a turn that was ended by hand has waited for its id.
   * @private
   * @param {string} itemId
   */
  userEntry(itemId) {
    if (!this.captions.entries.has(itemId)) {
      this.captions.rename(PENDING, itemId);
    }
    return this.captions.open(itemId, "user", "You");
  }

  /**
   * @private
   * @param {{agent_name: string, item_id: string}} event
   */
  agentEntry(event) {
    const isNew = !this.captions.entries.has(event.item_id);
    const entry = this.captions.open(event.item_id, "assistant", event.agent_name);
    if (isNew) {
      entry.isSpoken = this.playout.sound !== null && (this.settings.chosen?.speaks ?? true);
    }
    return entry;
  }
}
