/**
 * The agent's speech on its way from the server to the ear, and the reports of how far it came.
 *
 * @typedef {import("./protocol.js").PlayoutPosition} PlayoutPosition
 * @typedef {import("./protocol.js").ServerEvent} ServerEvent
 * @typedef {Extract<ServerEvent, {type: "agent_response_audio_delta"}>} AudioDelta
 * @typedef {import("./sound.js").Sound} Sound
 */
import { decodeAudio } from "./pcm.js";

const REPORT_MS = 100;

export class Playout {
  /** @param {(positions: PlayoutPosition[], generation: number | null) => boolean} report */
  constructor(report) {
    /** @private */
    this.report = report;
    /** @type {Sound | null} */
    this.sound = null;
    /**
     * After an interruption by this page, what still arrives is refused until the server has heard of it.
     * @private
     */
    this.isRefusing = false;
    /** @private @type {Set<string>} */
    this.open = new Set();
    /** @private @type {Map<string, PlayoutPosition>} */
    this.unsent = new Map();
    /** @private */
    this.timer = 0;
  }

  /** A new response begins: what comes now is wanted. */
  accept() {
    this.isRefusing = false;
  }

  /**
   * @param {AudioDelta} event
   * @returns {boolean} whether it will be played
   */
  play(event) {
    if (this.sound === null || this.isRefusing) {
      return false;
    }
    this.open.add(event.item_id);
    this.sound.play({
      agentId: event.agent_id,
      itemId: event.item_id,
      contentIndex: event.content_index,
      rate: event.format.rate,
      pcm: decodeAudio(event.delta, event.format.type).buffer,
    });
    return true;
  }

  /** @param {string} itemId */
  end(itemId) {
    this.open.delete(itemId);
    this.sound?.endItem(itemId);
  }

  /** No more audio of anything comes. */
  endAll() {
    for (const itemId of this.open) {
      this.end(itemId);
    }
  }

  /** This page interrupts. */
  interrupt() {
    this.isRefusing = true;
    this.open.clear();
    this.sound?.flush("", null);
  }

  /**
   * The server interrupts.
   * @param {string} agentId
   * @param {number} generation
   */
  flush(agentId, generation) {
    this.isRefusing = false;
    this.open.clear();
    if (this.sound === null) {
      this.report([], generation);
    } else {
      this.sound.flush(agentId, generation);
    }
  }

  /**
   * @param {PlayoutPosition[]} positions
   * @param {number | null} generation of the flush that this answers
   * @param {boolean} isUrgent
   */
  note(positions, generation, isUrgent) {
    for (const position of positions) {
      this.unsent.set(`${position.content_index} ${position.item_id}`, position);
    }
    if (isUrgent) {
      this.sendNow(generation);
    } else if (this.timer === 0) {
      this.timer = setTimeout(() => this.sendNow(null), REPORT_MS);
    }
  }

  /**
   * @param {number | null} generation
   */
  sendNow(generation) {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.unsent.size === 0 && generation === null) {
      return;
    }
    if (this.report([...this.unsent.values()], generation)) {
      this.unsent.clear();
    }
  }
}
