/**
 * Where the time of a turn goes: from the end of what the user said to the first sound of the answer, as this page
 * saw it. All times are seconds of the page's own clock.
 *
 * @typedef {"detected" | "transcript" | "created" | "word" | "audio" | "audible"} Stage
 * @typedef {{name: string, from: number, to: number}} Step
 * @typedef {{number: number, isTyped: boolean, ended: number, at: Partial<Record<Stage, number>>,
 *   responseId: string, isDone: boolean}} Turn
 */
import { draw, make } from "./dom.js";

/** @type {[Stage, string][]} */
const STAGES = [
  ["detected", "end of turn found"],
  ["transcript", "words final"],
  ["created", "answer begun"],
  ["word", "first word"],
  ["audio", "first audio here"],
  ["audible", "first sound"],
];
const KEPT = 100;
const NONE_YET = "Where the time of a turn goes, from your last word to the first sound of the answer.";

export class Turns {
  constructor() {
    /** @type {Turn[]} */
    this.all = [];
  }

  /**
   * The user's contribution is over.
   * @param {number} ended
   * @param {boolean} isTyped
   */
  begin(ended, isTyped) {
    this.all.push({ number: this.all.length + 1, isTyped, ended, at: {}, responseId: "", isDone: false });
    if (this.all.length > KEPT) {
      this.all.shift();
    }
  }

  /**
   * @param {Stage} stage
   * @param {number} time
   */
  stamp(stage, time) {
    const turn = this.all.at(-1);
    if (turn !== undefined && !turn.isDone && turn.at[stage] === undefined) {
      turn.at[stage] = Math.max(turn.ended, time);
      turn.isDone = stage === "audible";
    }
  }

  /** The last turn that was answered with sound. */
  get last() {
    return this.all.findLast((turn) => turn.isDone);
  }

  /**
   * The times of a turn in milliseconds, for a file.
   */
  export() {
    return this.all.map((turn) => ({
      turn: turn.number,
      typed: turn.isTyped,
      stages_ms: Object.fromEntries(steps(turn).map((step) => [step.name, Math.round((step.to - turn.ended) * 1000)])),
    }));
  }
}

/**
 * One after the other, in the order in which they happened.
 * @param {Turn} turn
 * @returns {Step[]}
 */
export function steps(turn) {
  const reached = STAGES.flatMap(([stage, name]) => {
    const time = turn.at[stage];
    return time === undefined || time > (turn.at.audible ?? Infinity) ? [] : [{ name, time }];
  }).sort((a, b) => a.time - b.time);
  let from = turn.ended;
  return reached.map(({ name, time }) => {
    const step = { name, from, to: time };
    from = time;
    return step;
  });
}

/**
 * Draws the last turn as a waterfall, and the turns before it as a line of figures.
 * @param {HTMLElement} box
 * @param {Turns} turns
 * @param {number} gaps how often audio came too late to be played without a pause
 */
export function showWaterfall(box, turns, gaps) {
  const turn = turns.last;
  if (turn === undefined) {
    box.replaceChildren(make("p", "hint", NONE_YET));
    return;
  }
  const found = steps(turn);
  const total = Math.max(0.001, (found.at(-1)?.to ?? turn.ended) - turn.ended);
  const head = make("p", "total");
  head.append(make("strong", "", milliseconds(total)), make("span", "", turn.isTyped ? " from text to sound" : " from voice to voice"));
  const list = make("ol", "steps");
  for (const step of found) {
    const row = make("li", "step");
    const bar = draw("svg", { class: "step-bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
    const left = ((step.from - turn.ended) / total) * 100;
    const width = Math.max(0.8, ((step.to - step.from) / total) * 100);
    bar.append(
      draw("rect", { class: "step-rail", x: 0, y: 3.5, width: 100, height: 1 }),
      draw("rect", { class: "step-fill", x: Math.min(left, 99.2), y: 0, width, height: 8 }),
    );
    row.append(make("span", "step-name", step.name), bar, make("span", "step-ms", `+${milliseconds(step.to - step.from)}`));
    list.append(row);
  }
  const totals = turns.all.flatMap((each) =>
    each.at.audible === undefined || each.isTyped !== turn.isTyped ? [] : [each.at.audible - each.ended],
  );
  const median = [...totals].sort((a, b) => a - b)[Math.floor(totals.length / 2)] ?? 0;
  const kind = turn.isTyped ? "typed" : "spoken";
  const many = totals.length > 1 ? `; median of ${totals.length} ${kind} ones: ${milliseconds(median)}` : "";
  const late = gaps === 0 ? "" : `; late audio left ${gaps === 1 ? "a gap" : `${gaps} gaps`}`;
  const foot = make("p", "hint", `Turn ${turn.number}${many}${late}`);
  box.replaceChildren(head, list, foot);
}

/**
 * @param {number} seconds
 * @returns {string}
 */
function milliseconds(seconds) {
  return `${Math.round(seconds * 1000)} ms`;
}
