/**
 * How far a running call is: its words, and a bar where it is known how much there is to do.
 *
 * @typedef {import("./protocol.js").Progress} Progress
 */
import { make } from "./dom.js";

/** Words change at most so often: faster ones can be neither read nor listened to. */
const WORDS_MS = 1000;

export class ToolProgress {
  /** @param {string} name the tool's */
  constructor(name) {
    this.element = make("div", "tool-progress");
    this.words = make("p", "tool-words");
    this.words.setAttribute("aria-live", "polite");
    this.bar = make("progress", "tool-bar");
    this.bar.setAttribute("aria-label", `Progress of ${name}`);
    this.element.append(this.words, this.bar);
    this.element.hidden = true;
    /** Whether the tool has said anything of it. */
    this.hasCome = false;
    this.isWaiting = false;
    this.message = "";
  }

  /** @param {Progress} report */
  show(report) {
    const { message, progress, total } = report;
    this.hasCome = true;
    this.bar.hidden = progress === null || total === null || total <= 0;
    if (!this.bar.hidden) {
      this.bar.max = Number(total);
      this.bar.value = Number(progress);
    }
    const count = this.bar.hidden ? `${progress ?? ""}` : `${progress} of ${total}`;
    this.message = message || count;
    if (!this.isWaiting) {
      this.say();
    }
  }

  /** @private */
  say() {
    if (this.words.textContent === this.message) {
      return;
    }
    this.words.textContent = this.message;
    this.isWaiting = true;
    setTimeout(() => {
      this.isWaiting = false;
      this.say();
    }, WORDS_MS);
  }
}
