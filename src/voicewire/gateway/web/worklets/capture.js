/**
 * The microphone: frames of 20 ms as 16-bit samples, their level, and where a voice sets in.
 *
 * The onset goes to the playback's processor by a port of their own, without passing through the page's thread: a
 * busy page must not delay the silence that a speaker who interrupts is owed.
 */
import { Resampler } from "../resample.js";
import { dbfs, toInt16 } from "../pcm.js";

const FRAME_MS = 20;
const ONSET_FRAMES = 3;
const QUIET_FRAMES = 15;
const LOUD_DBFS = -42;
const ABOVE_FLOOR_DB = 14;
/** The floor follows a louder room slowly and a quieter one at once. */
const FLOOR_RISE_DB = 0.05;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.rate = 24000;
    this.resampler = new Resampler(sampleRate, this.rate);
    /** @type {Float32Array} */
    this.frame = new Float32Array((this.rate * FRAME_MS) / 1000);
    this.filled = 0;
    this.floorDbfs = -60;
    this.loudFrames = 0;
    this.quietFrames = 0;
    this.isVoice = false;
    /** @type {MessagePort | null} */
    this.mouth = null;
    this.port.onmessage = (message) => this.order(message.data);
  }

  /** @param {{type: "rate", rate: number} | {type: "mouth", port: MessagePort}} order */
  order(order) {
    if (order.type === "mouth") {
      this.mouth = order.port;
    } else {
      this.rate = order.rate;
      this.resampler = new Resampler(sampleRate, this.rate);
      this.frame = new Float32Array((this.rate * FRAME_MS) / 1000);
      this.filled = 0;
    }
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const input = inputs[0]?.[0];
    if (input === undefined) {
      return true;
    }
    let samples = this.resampler.process(input.slice());
    while (samples.length > 0) {
      const take = Math.min(samples.length, this.frame.length - this.filled);
      this.frame.set(samples.subarray(0, take), this.filled);
      this.filled += take;
      samples = samples.subarray(take);
      if (this.filled === this.frame.length) {
        this.filled = 0;
        this.emit();
      }
    }
    return true;
  }

  emit() {
    const level = dbfs(this.frame);
    this.listen(level);
    const pcm = toInt16(this.frame).buffer;
    const at = currentFrame - Math.round((sampleRate * FRAME_MS) / 1000);
    this.port.postMessage({ type: "frame", pcm, level, isVoice: this.isVoice, time: at / sampleRate }, [pcm]);
  }

  /** @param {number} level */
  listen(level) {
    const isLoud = level > Math.max(LOUD_DBFS, this.floorDbfs + ABOVE_FLOOR_DB);
    this.floorDbfs = Math.min(level, this.floorDbfs + FLOOR_RISE_DB);
    this.floorDbfs = Math.max(this.floorDbfs, -70);
    this.loudFrames = isLoud ? this.loudFrames + 1 : 0;
    this.quietFrames = isLoud ? 0 : this.quietFrames + 1;
    if (!this.isVoice && this.loudFrames >= ONSET_FRAMES) {
      this.isVoice = true;
      this.mouth?.postMessage("onset");
    } else if (this.isVoice && this.quietFrames >= QUIET_FRAMES) {
      this.isVoice = false;
    }
  }
}

registerProcessor("voicewire-capture", Capture);
