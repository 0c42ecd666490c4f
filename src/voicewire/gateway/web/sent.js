/** Where the audio that was sent lies on the page's own clock: the server speaks of places in it. */

const GAP_S = 0.2;
const LONGEST_LAG_S = 30;
const KEPT = 1000;

export class SentAudio {
  /** @param {() => number} now */
  constructor(now) {
    /** @private */
    this.now = now;
    /** @private @type {{audioMs: number, time: number}[]} where each run without a gap begins */
    this.runs = [];
    /** @private */
    this.totalMs = 0;
    /** @private */
    this.last = 0;
  }

  /** A new session counts from its beginning. */
  restart() {
    this.runs = [];
    this.totalMs = 0;
    this.last = 0;
  }

  get hasAny() {
    return this.totalMs > 0;
  }

  /**
   * So much was sent, and was heard just now.
   * @param {number} durationMs
   */
  add(durationMs) {
    const time = this.now();
    if (time - this.last > GAP_S) {
      this.runs.push({ audioMs: this.totalMs, time: time - durationMs / 1000 });
      this.runs.splice(0, this.runs.length - KEPT);
    }
    this.last = time;
    this.totalMs += durationMs;
  }

  /**
   * When the page heard what lies at this place; now where that cannot be.
   * @param {number} audioMs
   */
  timeOf(audioMs) {
    const run = this.runs.findLast((each) => each.audioMs <= audioMs);
    const latest = this.now();
    const time = run === undefined ? latest : run.time + (audioMs - run.audioMs) / 1000;
    return time > latest || time < latest - LONGEST_LAG_S ? latest : time;
  }
}
