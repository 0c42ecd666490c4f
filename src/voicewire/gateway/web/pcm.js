/** 16-bit samples, floats and base64. */

/**
 * @param {Float32Array} samples
 * @returns {Int16Array<ArrayBuffer>}
 */
export function toInt16(samples) {
  const out = new Int16Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    const value = samples[i] ?? 0;
    out[i] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
  }
  return out;
}

/**
 * @param {Int16Array} samples
 * @returns {Float32Array<ArrayBuffer>}
 */
export function toFloat32(samples) {
  const out = new Float32Array(samples.length);
  for (let i = 0; i < samples.length; i += 1) {
    out[i] = (samples[i] ?? 0) / 32768;
  }
  return out;
}

/**
 * Level of the samples in decibels of full scale; -100 for silence.
 * @param {Float32Array} samples
 * @returns {number}
 */
export function dbfs(samples) {
  let sum = 0;
  for (const value of samples) {
    sum += value * value;
  }
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  return rms > 1e-5 ? 20 * Math.log10(rms) : -100;
}

/**
 * @param {ArrayBuffer} bytes
 * @returns {string}
 */
export function toBase64(bytes) {
  const view = new Uint8Array(bytes);
  let text = "";
  for (let at = 0; at < view.length; at += 8192) {
    text += String.fromCharCode(...view.subarray(at, at + 8192));
  }
  return btoa(text);
}

/**
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function fromBase64(text) {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) {
    out[i] = binary.charCodeAt(i);
  }
  return out;
}

const ULAW = Int16Array.from({ length: 256 }, (_, code) => {
  const bits = ~code & 0xff;
  const value = (((bits & 0x0f) << 3) + 0x84) << ((bits & 0x70) >> 4);
  return bits & 0x80 ? 0x84 - value : value - 0x84;
});

const ALAW = Int16Array.from({ length: 256 }, (_, code) => {
  const bits = code ^ 0x55;
  const exponent = (bits & 0x70) >> 4;
  const mantissa = (bits & 0x0f) << 4;
  const value = exponent === 0 ? mantissa + 8 : (mantissa + 0x108) << (exponent - 1);
  return bits & 0x80 ? value : -value;
});

/**
 * The samples of a piece of raw audio.
 * @param {string} base64
 * @param {string} type such as `audio/pcm`
 * @returns {Int16Array<ArrayBuffer>}
 */
export function decodeAudio(base64, type) {
  const bytes = fromBase64(base64);
  if (type.startsWith("audio/pcmu")) {
    return Int16Array.from(bytes, (code) => ULAW[code] ?? 0);
  }
  if (type.startsWith("audio/pcma")) {
    return Int16Array.from(bytes, (code) => ALAW[code] ?? 0);
  }
  // Typed arrays have the machine's byte order: little endian, as the wire, on everything that runs a browser.
  return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
}

/**
 * A WAV file.
 * @param {Int16Array[]} chunks interleaved samples
 * @param {number} channels
 * @param {number} rate
 * @returns {Blob}
 */
export function wavFile(chunks, channels, rate) {
  const size = 2 * chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const head = new DataView(new ArrayBuffer(44));
  const text = (/** @type {number} */ at, /** @type {string} */ word) => {
    for (let i = 0; i < word.length; i += 1) {
      head.setUint8(at + i, word.charCodeAt(i));
    }
  };
  text(0, "RIFF");
  head.setUint32(4, 36 + size, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, channels, true);
  head.setUint32(24, rate, true);
  head.setUint32(28, rate * channels * 2, true);
  head.setUint16(32, channels * 2, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, size, true);
  const parts = /** @type {BlobPart[]} */ ([head.buffer, ...chunks]);
  return new Blob(parts, { type: "audio/wav" });
}
