/**
 * Who spoke when: one lane for the user and one for each agent, over the last minute.
 *
 * @typedef {{lane: string, from: number, to: number | null}} Stretch
 * @typedef {{lane: string, at: number, what: string}} Mark
 */
import { draw } from "./dom.js";

const LONGEST_S = 60;
const SHORTEST_S = 20;
const KEPT = 2000;
const WIDTH = 380;
const LANE = 32;
const LEFT = 62;
const TOP = 6;
const AXIS = 20;

export class Timeline {
  /**
   * @param {HTMLElement} box
   * @param {() => number} now
   */
  constructor(box, now) {
    this.box = box;
    this.now = now;
    this.origin = now();
    /** @type {Map<string, string>} */
    this.lanes = new Map([["user", "You"]]);
    /** @type {Stretch[]} */
    this.stretches = [];
    /** @type {Mark[]} */
    this.marks = [];
  }

  /**
   * @param {string} lane
   * @param {string} name
   */
  name(lane, name) {
    this.lanes.set(lane, name);
  }

  /**
   * @param {string} lane
   * @param {number} time
   */
  begin(lane, time) {
    if (!this.stretches.some((stretch) => stretch.lane === lane && stretch.to === null)) {
      this.stretches.push({ lane, from: time, to: null });
      this.stretches.splice(0, this.stretches.length - KEPT);
    }
  }

  /**
   * @param {string} lane
   * @param {number} time
   */
  end(lane, time) {
    const open = this.stretches.findLast((stretch) => stretch.lane === lane && stretch.to === null);
    if (open !== undefined) {
      open.to = Math.max(open.from, time);
    }
  }

  /**
   * @param {string} lane
   * @param {number} at
   * @param {string} what
   */
  mark(lane, at, what) {
    this.marks.push({ lane, at, what });
    this.marks.splice(0, this.marks.length - KEPT);
  }

  clear() {
    this.stretches = [];
    this.marks = [];
    this.show();
  }

  /** All of it in seconds from the opening of the page, for a file. */
  export() {
    const seconds = (/** @type {number} */ time) => Math.round((time - this.origin) * 1000) / 1000;
    return {
      lanes: Object.fromEntries(this.lanes),
      speech: this.stretches.map(({ lane, from, to }) => ({ lane, from_s: seconds(from), to_s: to === null ? null : seconds(to) })),
      marks: this.marks.map(({ lane, at, what }) => ({ lane, at_s: seconds(at), what })),
    };
  }

  show() {
    const end = this.now();
    const span = Math.max(SHORTEST_S, Math.min(LONGEST_S, end - (this.stretches[0]?.from ?? end) + 1));
    const start = end - span;
    const lanes = [...this.lanes];
    const height = TOP + lanes.length * LANE + AXIS;
    const x = (/** @type {number} */ time) => LEFT + ((Math.max(time, start) - start) / span) * (WIDTH - LEFT - 6);
    const y = (/** @type {string} */ lane) => TOP + lanes.findIndex(([id]) => id === lane) * LANE;
    const image = draw("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "lanes", "aria-label": this.summary(start) });
    for (const [id, name] of lanes) {
      image.append(
        draw("text", { class: "lane-name", x: 0, y: y(id) + 20 }, name.length > 8 ? `${name.slice(0, 7)}\u2026` : name),
        draw("rect", { class: "lane", x: LEFT, y: y(id) + 3, width: WIDTH - LEFT - 6, height: LANE - 8, rx: 6 }),
      );
    }
    for (const stretch of this.stretches) {
      const to = stretch.to ?? end;
      if (to > start) {
        const kind = stretch.lane === "user" ? "speech-user" : "speech-agent";
        const width = Math.max(2, x(to) - x(stretch.from));
        image.append(draw("rect", { class: kind, x: x(stretch.from), y: y(stretch.lane) + 7, width, height: LANE - 16, rx: 4 }));
      }
    }
    for (const mark of this.marks) {
      if (mark.at > start) {
        const line = draw("line", { class: "mark", x1: x(mark.at), x2: x(mark.at), y1: y(mark.lane) + 2, y2: y(mark.lane) + LANE - 4 });
        line.append(draw("title", {}, mark.what));
        image.append(line);
      }
    }
    for (let back = 0; back < span - 3; back += span > 30 ? 15 : 5) {
      const text = back === 0 ? "now" : `-${back} s`;
      const anchor = back === 0 ? "end" : "middle";
      image.append(draw("text", { class: "tick", x: x(end - back), y: height - 4, "text-anchor": anchor }, text));
    }
    this.box.replaceChildren(image);
  }

  /**
   * @private
   * @param {number} start
   */
  summary(start) {
    const parts = [...this.lanes].map(([id, name]) => {
      const own = this.stretches.filter((stretch) => stretch.lane === id && (stretch.to ?? Infinity) > start);
      return `${name} spoke ${own.length === 1 ? "once" : `${own.length} times`}`;
    });
    return `The last minute: ${parts.join(", ")}.`;
  }
}
