/**
 * A streaming resampler for any two whole rates: windowed sinc, one set of coefficients for each phase.
 *
 * Output sample 0 lies on input sample 0; the output ends `half` input samples before the input does, until `flush`.
 */

const HALF_TAPS = 16;
const CUTOFF = 0.92;

export class Resampler {
  /**
   * @param {number} from rate of what comes in, in hertz
   * @param {number} to rate of what goes out, in hertz
   */
  constructor(from, to) {
    const divisor = greatestCommonDivisor(from, to);
    /** @private */
    this.up = to / divisor;
    /** @private */
    this.down = from / divisor;
    /** @private */
    this.half = Math.ceil(HALF_TAPS * Math.max(1, from / to));
    /** @private */
    this.table = coefficients(this.up, this.half, Math.min(1, to / from) * CUTOFF);
    /** @private @type {Float32Array<ArrayBufferLike>} */
    this.buffer = new Float32Array(this.half - 1);
    /** @private */
    this.at = this.half - 1;
    /** @private */
    this.phase = 0;
  }

  /**
   * @param {Float32Array} input
   * @returns {Float32Array}
   */
  process(input) {
    if (this.up === this.down) {
      return input;
    }
    const buffer = new Float32Array(this.buffer.length + input.length);
    buffer.set(this.buffer);
    buffer.set(input, this.buffer.length);
    const taps = 2 * this.half;
    const output = new Float32Array(Math.ceil(((buffer.length - this.at) * this.up) / this.down) + 1);
    let count = 0;
    while (this.at + this.half < buffer.length) {
      const first = this.at - this.half + 1;
      const row = this.phase * taps;
      let sum = 0;
      for (let tap = 0; tap < taps; tap += 1) {
        sum += (buffer[first + tap] ?? 0) * (this.table[row + tap] ?? 0);
      }
      output[count] = sum;
      count += 1;
      this.phase += this.down;
      this.at += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    const keepFrom = Math.max(0, Math.min(buffer.length, this.at - this.half + 1));
    this.buffer = buffer.slice(keepFrom);
    this.at -= keepFrom;
    return output.subarray(0, count);
  }

  /**
   * The rest, when nothing more comes in.
   * @returns {Float32Array}
   */
  flush() {
    return this.up === this.down ? new Float32Array(0) : this.process(new Float32Array(this.half));
  }
}

/**
 * @param {number} a
 * @param {number} b
 * @returns {number}
 */
function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * @param {number} phases
 * @param {number} half
 * @param {number} cutoff as a part of the input's own bandwidth
 */
function coefficients(phases, half, cutoff) {
  const taps = 2 * half;
  const table = new Float32Array(phases * taps);
  for (let phase = 0; phase < phases; phase += 1) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap += 1) {
      const distance = tap - half + 1 - phase / phases;
      const angle = Math.PI * distance * cutoff;
      const sinc = distance === 0 ? 1 : Math.sin(angle) / angle;
      const place = (Math.PI * distance) / half;
      const window = Math.abs(distance) >= half ? 0 : 0.42 + 0.5 * Math.cos(place) + 0.08 * Math.cos(2 * place);
      table[phase * taps + tap] = sinc * window;
      sum += sinc * window;
    }
    for (let tap = 0; tap < taps; tap += 1) {
      table[phase * taps + tap] = (table[phase * taps + tap] ?? 0) / sum;
    }
  }
  return table;
}
