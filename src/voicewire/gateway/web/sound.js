/**
 * Everything that sounds: the microphone, the loudspeaker and the recording of both, on one audio clock.
 *
 * @typedef {{pcm: ArrayBuffer, level: number, isVoice: boolean, time: number}} MicFrame
 * @typedef {import("./protocol.js").PlayoutPosition} PlayoutPosition
 * @typedef {{type: "position", positions: PlayoutPosition[], queuedMs: number, level: number, time: number}
 *   | {type: "flushed", positions: PlayoutPosition[], generation: number | null, time: number}
 *   | {type: "sounding", isOn: boolean, itemId: string, time: number}
 *   | {type: "late", itemId: string, time: number}
 *   | {type: "held", time: number}
 *   | {type: "overflow", ms: number}} PlaybackNews
 */

export const RECORDING_RATE = 24000;
const RECORDING_LIMIT_SAMPLES = 20 * 60 * RECORDING_RATE * 2;

/** Why there is no microphone. */
export class NoMicrophone extends Error {}

export class Sound {
  /**
   * Opens the loudspeaker. To be called from a click or a key, or the browser keeps it silent.
   * @param {(news: PlaybackNews) => void} onPlayback
   */
  static async open(onPlayback) {
    const context = new AudioContext({ latencyHint: "interactive" });
    const modules = ["capture", "playback", "recorder"].map((name) =>
      context.audioWorklet.addModule(new URL(`worklets/${name}.js`, import.meta.url)),
    );
    await Promise.all([...modules, context.resume()]);
    return new Sound(context, onPlayback);
  }

  /**
   * @private
   * @param {AudioContext} context
   * @param {(news: PlaybackNews) => void} onPlayback
   */
  constructor(context, onPlayback) {
    this.context = context;
    const mono = { channelCount: 1, channelCountMode: /** @type {const} */ ("explicit"), outputChannelCount: [1] };
    /** @private */
    this.playback = new AudioWorkletNode(context, "voicewire-playback", { ...mono, numberOfInputs: 0 });
    /** @private */
    this.capture = new AudioWorkletNode(context, "voicewire-capture", mono);
    /** @private */
    this.recorder = new AudioWorkletNode(context, "voicewire-recorder", { ...mono, numberOfInputs: 2 });
    this.playback.connect(context.destination);
    this.playback.connect(this.recorder, 0, 1);
    // Neither makes a sound; a node that leads nowhere may not be run.
    this.capture.connect(context.destination);
    this.recorder.connect(context.destination);
    const ear = new MessageChannel();
    this.capture.port.postMessage({ type: "mouth", port: ear.port1 }, [ear.port1]);
    this.playback.port.postMessage({ type: "ear", port: ear.port2 }, [ear.port2]);
    this.playback.port.onmessage = (message) => onPlayback(message.data);
    this.capture.port.onmessage = (message) => this.onFrame(message.data);
    this.recorder.port.onmessage = (message) => this.record(new Int16Array(message.data.pcm));
    /** @type {(frame: MicFrame) => void} */
    this.onFrame = () => undefined;
    /** @private @type {MediaStream | null} */
    this.stream = null;
    /** @private @type {MediaStreamAudioSourceNode | null} */
    this.source = null;
    /** Whether what is said and heard is kept for a download. */
    this.keepsRecording = true;
    /** @type {Int16Array[]} */
    this.recording = [];
    /** @private */
    this.recordedSamples = 0;
  }

  get isMicOpen() {
    return this.stream !== null;
  }

  /**
   * @param {number} rate of the frames, in hertz
   * @param {() => void} onLost called when the device goes away
   * @throws {NoMicrophone}
   */
  async openMic(rate, onLost) {
    this.capture.port.postMessage({ type: "rate", rate });
    if (this.stream !== null) {
      return;
    }
    if (navigator.mediaDevices === undefined) {
      throw new NoMicrophone("A browser gives the microphone to pages from this machine or over https only.");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
      });
    } catch (error) {
      throw new NoMicrophone(whyNot(error), { cause: error });
    }
    this.stream.getAudioTracks()[0]?.addEventListener("ended", () => {
      this.closeMic();
      onLost();
    });
    this.source = this.context.createMediaStreamSource(this.stream);
    this.source.connect(this.capture);
    this.source.connect(this.recorder, 0, 0);
  }

  closeMic() {
    this.source?.disconnect();
    for (const track of this.stream?.getTracks() ?? []) {
      track.stop();
    }
    this.source = null;
    this.stream = null;
  }

  /**
   * @param {{agentId: string, itemId: string, contentIndex: number, rate: number, pcm: ArrayBuffer}} audio
   */
  play(audio) {
    this.playback.port.postMessage({ type: "audio", ...audio }, [audio.pcm]);
  }

  /** @param {string} itemId */
  endItem(itemId) {
    this.playback.port.postMessage({ type: "end", itemId });
  }

  /**
   * Falls silent and throws away what is queued; the playback answers with `flushed`.
   * @param {string} agentId empty for every agent
   * @param {number | null} generation
   */
  flush(agentId, generation) {
    const isStill = this.context.state !== "running";
    this.playback.port.postMessage({ type: "flush", agentId, generation, isStill });
  }

  /**
   * Whether a voice in the microphone silences the agent before the server has said anything.
   * @param {boolean} isOn
   */
  setHolds(isOn) {
    this.playback.port.postMessage({ type: "holds", isOn });
  }

  /** Throws the recording away. */
  forget() {
    this.recording = [];
    this.recordedSamples = 0;
  }

  /** Moves what the recorder still has into `recording`. */
  async finishRecording() {
    await new Promise((resolve) => {
      this.recorder.port.addEventListener("message", resolve, { once: true });
      this.recorder.port.postMessage("finish");
    });
  }

  /**
   * @private
   * @param {Int16Array} chunk
   */
  record(chunk) {
    if (!this.keepsRecording) {
      return;
    }
    this.recording.push(chunk);
    this.recordedSamples += chunk.length;
    while (this.recordedSamples > RECORDING_LIMIT_SAMPLES) {
      this.recordedSamples -= this.recording.shift()?.length ?? 0;
    }
  }
}

/**
 * @param {unknown} error
 * @returns {string}
 */
function whyNot(error) {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
      return "The browser does not let this page use the microphone. Allow it beside the address, then press Talk.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "There is no microphone. Connect one and press Talk, or type below.";
    case "NotReadableError":
      return "Another program has the microphone. Close it and press Talk.";
    default:
      return `The microphone cannot be opened: ${String(error)}`;
  }
}
