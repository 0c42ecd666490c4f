/** Records two mono inputs, the user and the agent, as one stereo stream on the audio clock. */
import { Resampler } from "../resample.js";
import { toInt16 } from "../pcm.js";

const RATE = 24000;
const CHUNK_S = 0.25;

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resamplers = [new Resampler(sampleRate, RATE), new Resampler(sampleRate, RATE)];
    /** @type {Int16Array} */
    this.chunk = new Int16Array(2 * RATE * CHUNK_S);
    this.filled = 0;
    this.startTime = currentTime;
    this.port.onmessage = () => this.emit();
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    const silence = new Float32Array(128);
    const [left, right] = this.resamplers.map((resampler, side) =>
      toInt16(resampler.process(inputs[side]?.[0]?.slice() ?? silence)),
    );
    for (let i = 0; left !== undefined && right !== undefined && i < left.length; i += 1) {
      this.chunk[this.filled] = left[i] ?? 0;
      this.chunk[this.filled + 1] = right[i] ?? 0;
      this.filled += 2;
      if (this.filled === this.chunk.length) {
        this.emit();
      }
    }
    return true;
  }

  emit() {
    const pcm = this.chunk.slice(0, this.filled).buffer;
    this.filled = 0;
    this.port.postMessage({ pcm }, [pcm]);
  }
}

registerProcessor("voicewire-recorder", Recorder);
