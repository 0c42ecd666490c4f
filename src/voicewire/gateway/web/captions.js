/**
 * The conversation as text. The user's words appear while they are recognised, the agent's while they are played: what
 * the ledger on the server holds as heard. Words that were generated and never heard are struck out.
 *
 * @typedef {import("./protocol.js").HistoryEntry} HistoryEntry
 * @typedef {import("./protocol.js").Progress} Progress
 * @typedef {{name: string, input: string}} Call
 * @typedef {object} Entry
 * @property {string} id
 * @property {"user" | "assistant" | "tool"} role
 * @property {string} who
 * @property {string} text all words that are known
 * @property {string} heard words that were heard (of an agent)
 * @property {boolean} isSpoken whether it has audio, so that its words wait for their playing
 * @property {boolean} isFinal
 * @property {boolean} isCut
 * @property {number} at milliseconds since 1970
 * @property {Call} [call] what a tool was called with
 * @property {(progress: Progress) => void} [showProgress] how far a tool is
 * @property {HTMLElement} element
 * @property {() => void} show
 */
import { make } from "./dom.js";
import * as store from "./store.js";
import { ToolProgress } from "./progress.js";

const KEPT = 200;
const NEAR_PX = 120;

export class Captions {
  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} empty shown while there is nothing
   * @param {HTMLElement} live read aloud by screen readers
   */
  constructor(list, empty, live) {
    this.list = list;
    this.empty = empty;
    this.live = live;
    /** @type {Map<string, Entry>} */
    this.entries = new Map();
    const box = list.parentElement;
    if (box !== null) {
      new ResizeObserver(() => this.scroll(true)).observe(box);
    }
  }

  /** @returns {HistoryEntry[]} */
  history() {
    return [...this.entries.values()]
      .filter((entry) => entry.role !== "tool")
      .map((entry) => ({ role: entry.role, text: visible(entry), is_final: true, item_id: entry.id }))
      .filter((entry) => entry.text !== "")
      .slice(-KEPT);
  }

  /** Keeps them for a reload of the tab. */
  save() {
    const kept = [...this.entries.values()].slice(-KEPT).map(({ element, show, showProgress, ...rest }) => rest);
    store.write("captions", JSON.stringify(kept));
  }

  /** Brings back what this tab showed before it was loaded again. */
  load() {
    try {
      for (const kept of JSON.parse(store.read("captions") || "[]")) {
        const { id, role, who, call } = kept;
        const entry = role === "tool" ? this.openTool(id, who, call, () => undefined) : this.open(id, role, who);
        Object.assign(entry, kept, { isFinal: true });
        entry.show();
      }
    } catch {
      this.clear();
      store.write("captions", "");
    }
    this.scroll(true);
  }

  /**
   * Brings the captions in line with what the server holds: from where the two part, it is right.
   * @param {HistoryEntry[]} history
   */
  restore(history) {
    const own = [...this.entries.values()].filter((entry) => entry.role !== "tool");
    const parted = history.findIndex(
      (said, place) => own[place]?.role !== said.role || visible(own[place]).trim() !== said.text.trim(),
    );
    const same = parted < 0 ? history.length : parted;
    const agent = own.find((entry) => entry.role === "assistant")?.who ?? "Agent";
    for (const entry of own.slice(same)) {
      this.remove(entry.id);
    }
    for (const [place, said] of [...history.entries()].slice(same)) {
      const role = said.role === "user" ? "user" : "assistant";
      const entry = this.open(said.item_id ?? `restored-${place}`, role, role === "user" ? "You" : agent);
      entry.text = said.text;
      entry.heard = said.text;
      entry.isFinal = true;
      entry.show();
    }
    this.save();
    this.scroll(true);
  }

  clear() {
    this.entries.clear();
    this.list.replaceChildren();
    this.live.replaceChildren();
    this.empty.hidden = false;
  }

  /**
   * @param {string} id
   * @param {"user" | "assistant"} role
   * @param {string} who
   * @returns {Entry}
   */
  open(id, role, who) {
    const known = this.entries.get(id);
    if (known !== undefined) {
      return known;
    }
    const element = make("li", `said said-${role}`);
    const name = make("p", "said-who", who);
    const words = make("p", "said-text");
    const heard = make("span", "heard");
    const unheard = make("s", "unheard");
    const note = make("span", "note");
    words.append(heard, unheard);
    element.append(name, words, note);
    /** @type {Entry} */
    const entry = {
      id,
      role,
      who,
      text: "",
      heard: "",
      isSpoken: false,
      isFinal: false,
      isCut: false,
      at: Date.now(),
      element,
      show: () => {
        const shown = visible(entry);
        const missed = entry.isCut ? entry.text.slice(shown.length).trim() : "";
        setText(heard, missed === "" ? shown : `${shown} `);
        setText(unheard, missed);
        setText(note, entry.isCut ? "interrupted; the words struck out were not heard" : "");
        element.classList.toggle("is-open", !entry.isFinal);
        element.classList.toggle("is-waiting", shown === "" && !entry.isFinal);
        this.scroll(false);
      },
    };
    this.add(entry);
    entry.show();
    return entry;
  }

  /**
   * @param {string} id
   * @param {string} who
   * @param {Call} call
   * @param {(output: string) => void} answerIt for the user who answers in the place of a program
   * @returns {Entry}
   */
  openTool(id, who, call, answerIt) {
    const known = this.entries.get(id);
    if (known !== undefined) {
      return known;
    }
    const { name, input } = call;
    const element = make("li", "said tool");
    const card = make("details", "tool-card");
    const summary = make("summary", "tool-head");
    const status = make("span", "tool-status", "running");
    summary.append(make("span", "tool-name", name), status);
    const output = make("pre", "tool-data");
    output.hidden = true;
    card.append(summary, make("p", "tool-label", `${who} called it with`), make("pre", "tool-data", input));
    const answer = make("p", "tool-label", "it returned");
    answer.hidden = true;
    const form = make("form", "tool-form");
    const field = make("input", "");
    field.type = "text";
    field.required = true;
    field.placeholder = "type its result";
    field.setAttribute("aria-label", `Result of ${name}`);
    const send = make("button", "quiet", "Return it");
    send.type = "submit";
    form.append(field, send);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      answerIt(field.value);
    });
    card.append(answer, output, form);
    const progress = new ToolProgress(name);
    element.append(card, progress.element);
    /** @type {Entry} */
    const entry = {
      id,
      role: "tool",
      who,
      text: `${name}(${input})`,
      heard: "",
      isSpoken: false,
      isFinal: false,
      isCut: false,
      at: Date.now(),
      call,
      element,
      show: () => {
        status.textContent = entry.isFinal ? "done" : "running";
        output.textContent = entry.heard;
        output.hidden = answer.hidden = !entry.isFinal;
        form.hidden = entry.isFinal || progress.hasCome;
        progress.element.hidden = entry.isFinal || !progress.hasCome;
        element.classList.toggle("is-open", !entry.isFinal);
      },
      showProgress: (report) => {
        const isNear = this.isNearEnd();
        progress.show(report);
        entry.show();
        this.scroll(isNear);
      },
    };
    this.add(entry);
    entry.show();
    return entry;
  }

  /**
   * @param {string} id
   * @param {Progress} report
   */
  showProgress(id, report) {
    const entry = this.entries.get(id);
    if (entry !== undefined && !entry.isFinal) {
      entry.showProgress?.(report);
    }
  }

  /**
   * @param {string} id
   * @param {string} output
   */
  closeTool(id, output) {
    const entry = this.entries.get(id);
    if (entry !== undefined) {
      entry.heard = output;
      entry.isFinal = true;
      entry.show();
      this.save();
    }
  }

  /**
   * Gives an entry another id; it keeps its place.
   * @param {string} from
   * @param {string} to
   */
  rename(from, to) {
    const renamed = [...this.entries.values()].map((entry) => {
      entry.id = entry.id === from ? to : entry.id;
      return /** @type {[string, Entry]} */ ([entry.id, entry]);
    });
    this.entries.clear();
    for (const [id, entry] of renamed) {
      this.entries.set(id, entry);
    }
  }

  /** @param {string} id */
  remove(id) {
    this.entries.get(id)?.element.remove();
    this.entries.delete(id);
    this.empty.hidden = this.entries.size > 0;
  }

  /**
   * Nothing more of it will change: it is read aloud and kept.
   * @param {Entry} entry
   */
  finish(entry) {
    if (entry.isFinal) {
      return;
    }
    entry.isFinal = true;
    entry.show();
    const words = visible(entry);
    if (words !== "") {
      this.live.append(make("p", "", `${entry.who}: ${words}`));
      while (this.live.childElementCount > 20) {
        this.live.firstElementChild?.remove();
      }
    }
    this.save();
  }

  /** Nothing more comes of what the user was saying. */
  finishUser() {
    for (const entry of this.entries.values()) {
      if (entry.role === "user" && visible(entry) === "") {
        this.remove(entry.id);
      } else if (entry.role === "user") {
        this.finish(entry);
      }
    }
  }

  /**
   * The agent goes no further with anything: its session is over.
   */
  finishAll() {
    for (const entry of this.entries.values()) {
      if (entry.role === "assistant" && entry.isSpoken && entry.heard !== entry.text && !entry.isFinal) {
        entry.isCut = true;
      }
      if (entry.role === "tool") {
        this.closeTool(entry.id, entry.heard || "no result");
      } else if (visible(entry) === "" && !entry.isCut) {
        this.remove(entry.id);
      } else {
        this.finish(entry);
      }
    }
  }

  /**
   * The whole conversation for a download.
   */
  transcript() {
    return [...this.entries.values()].map((entry) => ({
      time: new Date(entry.at).toISOString(),
      role: entry.role,
      name: entry.who,
      text: entry.role === "tool" ? entry.text : visible(entry),
      ...(entry.role === "tool" ? { result: entry.heard } : {}),
      ...(entry.isCut ? { not_heard: entry.text.slice(visible(entry).length).trim() } : {}),
    }));
  }

  /**
   * @private
   * @param {Entry} entry
   */
  add(entry) {
    this.entries.set(entry.id, entry);
    this.empty.hidden = true;
    const isNear = this.isNearEnd();
    this.list.append(entry.element);
    this.scroll(isNear);
  }

  /** @private */
  isNearEnd() {
    const box = this.list.parentElement;
    return box === null || box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
  }

  /**
   * @private
   * @param {boolean} isForced
   */
  scroll(isForced) {
    const box = this.list.parentElement;
    if (box !== null && (isForced || this.isNearEnd())) {
      box.scrollTop = box.scrollHeight;
    }
  }
}

/**
 * @param {Entry} entry
 * @returns {string}
 */
function visible(entry) {
  return entry.role === "assistant" && entry.isSpoken && (entry.isCut || !entry.isFinal) ? entry.heard : entry.text;
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
