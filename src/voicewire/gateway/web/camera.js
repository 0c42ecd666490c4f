/**
 * Stills of the camera, one a second, for a model that takes images. The user sees what is sent, and that it is.
 */
import { need } from "./dom.js";
import { toBase64 } from "./pcm.js";

const PERIOD_MS = 1000;
const LONGEST_SIDE = 640;
const QUALITY = 0.7;

export class Camera {
  /**
   * @param {object} owner
   * @param {(image: string) => boolean} owner.send hands on a JPEG file in base64; false when it did not go out
   * @param {(text: string) => void} owner.onTrouble
   */
  constructor(owner) {
    /** @private */
    this.owner = owner;
    /** @private */
    this.button = need("camera", HTMLButtonElement);
    /** @private */
    this.box = need("camera-box", HTMLElement);
    /** @private */
    this.view = need("camera-view", HTMLVideoElement);
    /** @private */
    this.canvas = document.createElement("canvas");
    /** @private @type {MediaStream | null} */
    this.stream = null;
    /** @private */
    this.timer = 0;
    /** @type {number[]} when each picture was taken, in milliseconds of the page's clock */
    this.taken = [];
  }

  get isOn() {
    return this.stream !== null;
  }

  /**
   * Whether the chosen model takes images.
   * @param {boolean} isOffered
   */
  offer(isOffered) {
    this.button.hidden = !isOffered;
    if (!isOffered) {
      this.close();
    }
  }

  async open() {
    if (this.isOn) {
      return;
    }
    if (navigator.mediaDevices === undefined) {
      this.owner.onTrouble("A browser gives the camera to pages from this machine or over https only.");
      return;
    }
    try {
      const video = { width: { ideal: LONGEST_SIDE }, facingMode: { ideal: "environment" } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch (error) {
      this.owner.onTrouble(whyNot(error));
      return;
    }
    this.stream.getVideoTracks()[0]?.addEventListener("ended", () => this.close());
    this.taken = [];
    this.view.srcObject = this.stream;
    this.show();
    await this.view.play();
    await this.take();
    this.timer = setInterval(() => void this.take(), PERIOD_MS);
  }

  close() {
    clearInterval(this.timer);
    for (const track of this.stream?.getTracks() ?? []) {
      track.stop();
    }
    this.stream = null;
    this.view.srcObject = null;
    this.show();
  }

  /** @private */
  show() {
    this.box.hidden = !this.isOn;
    this.button.setAttribute("aria-pressed", String(this.isOn));
    const count = this.taken.length;
    const words = count === 0 ? "one picture a second" : count === 1 ? "1 picture sent" : `${count} pictures sent`;
    need("camera-note", HTMLElement).textContent = words;
  }

  /** @private */
  async take() {
    const { videoWidth: width, videoHeight: height } = this.view;
    const paper = this.canvas.getContext("2d");
    if (paper === null || width === 0 || document.hidden) {
      return;
    }
    const scale = Math.min(1, LONGEST_SIDE / Math.max(width, height));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    paper.drawImage(this.view, 0, 0, this.canvas.width, this.canvas.height);
    const time = performance.now();
    const file = await new Promise((/** @type {(file: Blob | null) => void} */ resolve) => {
      this.canvas.toBlob(resolve, "image/jpeg", QUALITY);
    });
    if (file !== null && this.isOn && this.owner.send(toBase64(await file.arrayBuffer()))) {
      this.taken.push(time);
      this.show();
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
      return "The browser does not let this page use the camera. Allow it beside the address, then press Camera.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "There is no camera.";
    case "NotReadableError":
      return "Another program has the camera. Close it and press Camera.";
    default:
      return `The camera cannot be opened: ${String(error)}`;
  }
}
