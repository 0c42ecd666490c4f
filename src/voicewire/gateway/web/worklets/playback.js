/**
 * The loudspeaker: plays a bounded buffer in order and accounts for every sample of every item.
 *
 * Orders: `audio`, `end` (no more audio of an item), `flush` (throw away, fade out in 5 ms), `ear` (a port on which the
 * microphone's processor says `onset`). On an onset playback falls silent and keeps its place: the server's word, a
 * `flush`, makes that final; without one it goes on after a while.
 *
 * Audio that comes too late leaves a gap; from then on more is gathered before it goes on, up to a limit, and less again
 * after a while without gaps.
 *
 * Reports: `position` while it plays, `flushed`, `sounding`, `held`, `late`, `overflow`.
 */
import { Resampler } from "../resample.js";
import { dbfs, toFloat32, toInt16 } from "../pcm.js";

const FADE_S = 0.005;
const PREBUFFER_S = 0.06;
const LONGEST_PREBUFFER_S = 0.24;
const MAX_WAIT_S = 0.25;
const CALM_S = 20;
const CAPACITY_S = 600;
const HOLD_S = 0.9;
const REPORT_S = 0.05;

/**
 * @typedef {object} Item
 * @property {string} agentId
 * @property {string} itemId
 * @property {number} contentIndex
 * @property {number} rate
 * @property {Resampler} resampler
 * @property {number} received samples at its own rate
 * @property {number} queued samples at the context's rate, ever
 * @property {number} played samples at the context's rate
 * @property {boolean} isEnded
 */

/**
 * @typedef {{type: "audio", agentId: string, itemId: string, contentIndex: number, rate: number, pcm: ArrayBuffer}
 *   | {type: "end", itemId: string}
 *   | {type: "flush", agentId: string, generation: number | null, isStill: boolean}
 *   | {type: "ear", port: MessagePort}
 *   | {type: "holds", isOn: boolean}} Order
 */

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {Map<string, Item>} */
    this.items = new Map();
    /** @type {{item: Item, samples: Int16Array, at: number}[]} */
    this.queue = [];
    this.queued = 0;
    this.gain = 1;
    this.waitingSince = 0;
    this.isWaiting = true;
    this.prebufferS = PREBUFFER_S;
    /** @type {Item | null} that sounded last */
    this.last = null;
    /** @type {Item | null} whose audio did not come in time */
    this.late = null;
    this.calmSince = 0;
    this.isSounding = false;
    this.holdUntil = 0;
    this.canHold = true;
    /** @type {{agentId: string, generation: number | null}[]} */
    this.flushes = [];
    this.lastReport = 0;
    /** @type {Set<Item>} */
    this.changed = new Set();
    this.port.onmessage = (message) => this.order(message.data);
  }

  /** @param {Order} order */
  order(order) {
    switch (order.type) {
      case "audio":
        this.enqueue(order);
        break;
      case "end":
        this.end(order.itemId);
        break;
      case "flush":
        this.flushes.push({ agentId: order.agentId, generation: order.generation });
        if (!this.isSounding || this.gain === 0 || order.isStill) {
          this.empty();
        }
        break;
      case "ear":
        order.port.onmessage = () => this.hold();
        break;
      case "holds":
        this.canHold = order.isOn;
        break;
    }
  }

  /** @param {Extract<Order, {type: "audio"}>} order */
  enqueue(order) {
    const key = `${order.contentIndex} ${order.itemId}`;
    let item = this.items.get(key);
    if (item === undefined) {
      item = {
        agentId: order.agentId,
        itemId: order.itemId,
        contentIndex: order.contentIndex,
        rate: order.rate,
        resampler: new Resampler(order.rate, sampleRate),
        received: 0,
        queued: 0,
        played: 0,
        isEnded: false,
      };
      this.items.set(key, item);
    }
    const pcm = new Int16Array(order.pcm);
    if (this.queued + (pcm.length * sampleRate) / item.rate > CAPACITY_S * sampleRate) {
      this.port.postMessage({ type: "overflow", ms: (pcm.length * 1000) / item.rate });
      return;
    }
    item.received += pcm.length;
    this.append(item, toInt16(item.resampler.process(toFloat32(pcm))));
  }

  /**
   * @param {Item} item
   * @param {Int16Array} samples
   */
  append(item, samples) {
    if (samples.length === 0) {
      return;
    }
    if (this.queued === 0) {
      this.waitingSince = currentTime;
      this.noteLateness(item);
    }
    item.queued += samples.length;
    this.queued += samples.length;
    this.queue.push({ item, samples, at: 0 });
  }

  /** @param {Item} item whose audio is here again */
  noteLateness(item) {
    if (this.late === item) {
      this.prebufferS = Math.min(LONGEST_PREBUFFER_S, 2 * this.prebufferS);
      this.calmSince = currentTime;
      this.port.postMessage({ type: "late", itemId: item.itemId, time: currentTime });
    }
    this.late = null;
  }

  /** @param {string} itemId */
  end(itemId) {
    for (const item of this.items.values()) {
      if (item.itemId === itemId && !item.isEnded) {
        this.late = null;
        this.append(item, toInt16(item.resampler.flush()));
        item.isEnded = true;
        this.changed.add(item);
      }
    }
  }

  hold() {
    if (this.canHold && this.isSounding && this.flushes.length === 0) {
      this.holdUntil = currentTime + HOLD_S;
      this.port.postMessage({ type: "held", time: currentTime });
    }
  }

  /**
   * @param {Float32Array[][]} _inputs
   * @param {Float32Array[][]} outputs
   */
  process(_inputs, outputs) {
    const output = outputs[0]?.[0];
    if (output === undefined) {
      return true;
    }
    this.decideToStart();
    const isHeld = currentTime < this.holdUntil;
    const target = isHeld || this.flushes.length > 0 ? 0 : 1;
    const written = this.isWaiting ? 0 : this.render(output, target);
    if (this.flushes.length > 0 && (this.gain === 0 || written === 0)) {
      this.empty();
    }
    this.follow(output, written > 0, isHeld);
    return true;
  }

  decideToStart() {
    if (!this.isWaiting || this.queue.length === 0) {
      return;
    }
    if (currentTime - this.calmSince > CALM_S) {
      this.prebufferS = Math.max(PREBUFFER_S, this.prebufferS / 2);
      this.calmSince = currentTime;
    }
    const isComplete = this.queue.every((piece) => piece.item.isEnded);
    const hasWaited = currentTime - this.waitingSince > MAX_WAIT_S;
    this.isWaiting = !(isComplete || hasWaited || this.queued >= this.prebufferS * sampleRate);
  }

  /**
   * @param {Float32Array} output
   * @param {number} target gain to go to
   * @returns {number} samples of items that went out
   */
  render(output, target) {
    const step = 1 / (FADE_S * sampleRate);
    let count = 0;
    while (count < output.length) {
      const head = this.queue[0];
      if (head === undefined) {
        this.isWaiting = true;
        this.gain = 1;
        this.late = this.last;
        break;
      }
      if (this.gain === 0 && target === 0) {
        break;
      }
      this.gain = this.gain < target ? Math.min(target, this.gain + step) : Math.max(target, this.gain - step);
      output[count] = ((head.samples[head.at] ?? 0) / 32768) * this.gain;
      count += 1;
      head.at += 1;
      head.item.played += 1;
      this.last = head.item;
      this.changed.add(head.item);
      if (head.at === head.samples.length) {
        this.queue.shift();
      }
    }
    this.queued -= count;
    return count;
  }

  /** Throws away what the flushes name. */
  empty() {
    const flushes = this.flushes;
    this.flushes = [];
    const agents = new Set(flushes.map((flush) => flush.agentId));
    const isGone = (/** @type {Item} */ item) => agents.has("") || agents.has(item.agentId);
    const positions = [...this.items.values()].filter(isGone).map((item) => this.position(item));
    this.queue = this.queue.filter((piece) => !isGone(piece.item));
    this.last = this.late = null;
    this.queued = this.queue.reduce((sum, piece) => sum + piece.samples.length - piece.at, 0);
    for (const [key, item] of this.items) {
      if (isGone(item)) {
        this.items.delete(key);
        this.changed.delete(item);
      }
    }
    this.gain = 1;
    this.holdUntil = 0;
    this.isWaiting = true;
    const generation = Math.max(-1, ...flushes.map((flush) => flush.generation ?? -1));
    this.port.postMessage({
      type: "flushed",
      generation: generation < 0 ? null : generation,
      positions,
      time: currentTime,
    });
  }

  /**
   * @param {Item} item
   */
  position(item) {
    const isWhole = item.isEnded && item.played >= item.queued;
    const samples = isWhole
      ? item.received
      : Math.min(item.received, Math.floor((item.played * item.rate) / sampleRate));
    return { item_id: item.itemId, content_index: item.contentIndex, samples, rate: item.rate };
  }

  /**
   * Reports what changed.
   * @param {Float32Array} output
   * @param {boolean} isSounding
   * @param {boolean} isHeld
   */
  follow(output, isSounding, isHeld) {
    // A gap between two pieces of one item is not its end.
    const isStopped = !isSounding && (isHeld || [...this.items.values()].every((i) => i.isEnded || i.played === 0));
    const hasTurned = this.isSounding ? isStopped || (!isSounding && this.items.size === 0) : isSounding;
    if (hasTurned) {
      this.isSounding = !this.isSounding;
      const itemId = this.queue[0]?.item.itemId ?? "";
      this.port.postMessage({ type: "sounding", isOn: this.isSounding, itemId, time: currentTime });
    }
    const isDue = currentTime - this.lastReport >= REPORT_S;
    if (this.changed.size === 0 || !(isDue || (hasTurned && !this.isSounding))) {
      return;
    }
    this.lastReport = currentTime;
    const positions = [...this.changed].map((item) => this.position(item));
    this.changed.clear();
    for (const [key, item] of this.items) {
      if (item.isEnded && item.played >= item.queued) {
        this.items.delete(key);
      }
    }
    const queuedMs = (this.queued * 1000) / sampleRate;
    this.port.postMessage({ type: "position", positions, queuedMs, level: dbfs(output), time: currentTime });
  }
}

registerProcessor("voicewire-playback", Playback);
