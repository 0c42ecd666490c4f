/**
 * Who is in a room: a seat for each, with who has the floor and a lane of captions. Words of an agent appear while the
 * room hears them; what was generated and never heard is struck out.
 *
 * @typedef {import("./protocol.js").ServerEvent} ServerEvent
 * @typedef {Extract<ServerEvent, {type: "server_room_updated"}>} RoomState
 * @typedef {object} Utterance
 * @property {Set<string>} items
 * @property {string} text all words that are known
 * @property {string} heard words that were heard (of an agent)
 * @property {boolean} isSpoken whether its words wait for being heard
 * @property {boolean} isFinal
 * @property {boolean} isCut
 * @property {() => void} show
 */
import { make } from "./dom.js";

const KEPT = 40;
const READ_ALOUD = 20;

export class Seats {
  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} live read aloud by screen readers
   */
  constructor(list, live) {
    this.list = list;
    this.live = live;
    /** @type {Map<string, Seat>} */
    this.all = new Map();
    this.floor = "";
    this.ownId = "";
    /** @private of who has the floor, in pixels, when it was last brought into view */
    this.speakerHeight = 0;
  }

  /** @param {string} ownId */
  open(ownId) {
    this.ownId = ownId;
    this.clear();
  }

  clear() {
    this.all.clear();
    this.list.replaceChildren();
    this.live.replaceChildren();
    this.floor = "";
  }

  /** @param {RoomState} state */
  update(state) {
    const there = [...state.people.map((one) => ({ ...one, isAgent: false })), ...state.agents.map((one) => ({ ...one, isAgent: true }))];
    for (const [id, seat] of this.all) {
      if (!there.some((one) => one.id === id)) {
        seat.element.remove();
        this.all.delete(id);
      }
    }
    for (const [place, one] of there.entries()) {
      let seat = this.all.get(one.id);
      if (seat === undefined) {
        seat = new Seat(one.name, one.id === this.ownId ? "you" : one.isAgent ? "agent" : "person", (text) => this.readAloud(text));
        this.all.set(one.id, seat);
      }
      seat.hasFloor(one.id === state.floor);
      // What stays in its place is not moved: it would lose the focus and how far it was scrolled.
      if (this.list.children[place] !== seat.element) {
        this.list.insertBefore(seat.element, this.list.children[place] ?? null);
      }
    }
    if (this.floor !== state.floor) {
      this.floor = state.floor;
      this.speakerHeight = 0;
    }
    this.follow();
  }

  /**
   * Keeps whoever has the floor in view while their words become more. Scrolls the seats, and never the page around
   * them; and only then, so that the user can look elsewhere meanwhile.
   * @private
   */
  follow() {
    const element = this.all.get(this.floor)?.element;
    if (element === undefined || element.offsetHeight === this.speakerHeight) {
      return;
    }
    this.speakerHeight = element.offsetHeight;
    const box = this.list.getBoundingClientRect();
    const seat = element.getBoundingClientRect();
    if (seat.bottom > box.bottom) {
      this.list.scrollTop += Math.min(seat.bottom - box.bottom, seat.top - box.top);
    } else if (seat.top < box.top) {
      this.list.scrollTop -= box.top - seat.top;
    }
  }

  /** Who has the floor, in words. */
  get floorWords() {
    const seat = this.all.get(this.floor);
    if (seat === undefined) {
      return "The floor is free";
    }
    return seat.kind === "you" ? "You have the floor" : `${seat.name} has the floor`;
  }

  /** @param {ServerEvent} event */
  take(event) {
    const seat = "agent_id" in event ? this.all.get(event.agent_id) : undefined;
    if (seat === undefined) {
      return;
    }
    switch (event.type) {
      case "agent_input_transcription_delta": {
        const said = seat.utterance(event.item_id);
        said.text = event.is_revision ? event.delta : said.text + event.delta;
        said.show();
        break;
      }
      case "agent_input_transcription_done":
        seat.utterance(event.item_id).text = event.transcript;
        seat.finish(event.item_id);
        break;
      case "agent_response_created":
        seat.answers();
        break;
      case "agent_response_audio_transcript_delta":
        seat.hears(event.item_id, event.delta);
        break;
      case "agent_response_audio_transcript_done":
        if (!seat.knows(event.item_id)) {
          seat.hears(event.item_id, event.transcript);
          if (seat.answer === null) {
            seat.finish(event.item_id);
          }
        }
        break;
      case "agent_playout_heard":
        seat.heard(event.heard_text, event.is_final, event.is_cut);
        break;
      case "agent_response_tool_use_done":
        seat.note(`called ${event.tool_use.name}`);
        break;
    }
    this.follow();
  }

  /**
   * @private
   * @param {string} text
   */
  readAloud(text) {
    this.live.append(make("p", "", text));
    while (this.live.childElementCount > READ_ALOUD) {
      this.live.firstElementChild?.remove();
    }
  }
}

class Seat {
  /**
   * @param {string} name
   * @param {"you" | "person" | "agent"} kind
   * @param {(text: string) => void} onFinal
   */
  constructor(name, kind, onFinal) {
    this.name = name;
    this.kind = kind;
    this.onFinal = onFinal;
    /** @type {Utterance[]} */
    this.said = [];
    /** @type {Utterance | "asked" | null} what the agent says now */
    this.answer = null;
    this.element = make("li", `seat seat-${kind}`);
    const face = make("span", "face", [...name][0]?.toUpperCase() ?? "");
    face.setAttribute("aria-hidden", "true");
    this.mark = make("span", "seat-floor", "has the floor");
    this.lane = make("ol", "seat-said");
    const head = make("div", "seat-head");
    head.append(face, make("h3", "seat-name", name), make("span", "seat-kind", kind === "you" ? "you" : kind), this.mark);
    const box = make("div", "seat-lane");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", `What ${kind === "you" ? "you said" : `${name} says`}`);
    box.append(this.lane);
    this.element.append(head, box);
    this.box = box;
    this.hasFloor(false);
  }

  /** @param {boolean} isHeld */
  hasFloor(isHeld) {
    this.element.classList.toggle("has-floor", isHeld);
    this.mark.hidden = !isHeld;
  }

  /** @param {string} itemId */
  knows(itemId) {
    return this.said.some((one) => one.items.has(itemId));
  }

  /**
   * The utterance with this item, opened when there is none.
   * @param {string} itemId
   * @returns {Utterance}
   */
  utterance(itemId) {
    const known = this.said.find((one) => one.items.has(itemId));
    if (known !== undefined) {
      return known;
    }
    const element = make("li", "seat-words");
    const heard = make("span", "heard");
    const unheard = make("s", "unheard");
    element.append(heard, unheard);
    /** @type {Utterance} */
    const made = {
      items: new Set([itemId]),
      text: "",
      heard: "",
      isSpoken: false,
      isFinal: false,
      isCut: false,
      show: () => {
        const words = shown(made);
        heard.textContent = words;
        unheard.textContent = made.isCut ? made.text.slice(words.length) : "";
        element.classList.toggle("is-open", !made.isFinal);
        element.hidden = words === "" && unheard.textContent.trim() === "";
        this.box.scrollTop = this.box.scrollHeight;
      },
    };
    this.said.push(made);
    this.lane.append(element);
    if (this.said.length > KEPT) {
      this.said.shift();
      this.lane.firstElementChild?.remove();
    }
    made.show();
    return made;
  }

  /** @param {string} itemId */
  finish(itemId) {
    const said = this.utterance(itemId);
    said.isSpoken = said.isSpoken && said.isCut;
    said.isFinal = true;
    said.show();
    const words = shown(said).trim();
    if (words !== "") {
      this.onFinal(`${this.kind === "you" ? "You" : this.name}: ${words}`);
    }
  }

  /** The agent was given the floor; after a call it goes on with what it was saying. */
  answers() {
    this.answer ??= "asked";
  }

  /**
   * More words of an agent, which wait for being heard while it has the floor.
   * @param {string} itemId
   * @param {string} words
   */
  hears(itemId, words) {
    const isAsked = this.answer !== null;
    const said = this.answer === null || this.answer === "asked" ? this.utterance(itemId) : this.answer;
    const gap = said.items.has(itemId) || said.text === "" ? "" : " ";
    said.items.add(itemId);
    said.isSpoken = isAsked;
    said.text += gap + words;
    this.answer = isAsked ? said : null;
    said.show();
  }

  /**
   * @param {string} words
   * @param {boolean} isFinal
   * @param {boolean} isCut
   */
  heard(words, isFinal, isCut) {
    const said = this.answer;
    if (said !== null && said !== "asked") {
      said.heard = words;
      said.isCut = isCut && words.length < said.text.length;
      said.show();
      if (isFinal) {
        this.finish([...said.items][0] ?? "");
      }
    }
    this.answer = isFinal ? null : said;
  }

  /** @param {string} text */
  note(text) {
    this.lane.append(make("li", "seat-note", text));
    this.box.scrollTop = this.box.scrollHeight;
  }
}

/**
 * @param {Utterance} said
 * @returns {string}
 */
function shown(said) {
  return said.isSpoken ? said.heard : said.text;
}
