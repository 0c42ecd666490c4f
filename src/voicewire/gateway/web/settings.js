/**
 * Which model, which voice, and who says that a turn is over.
 *
 * @typedef {import("./protocol.js").PageConfig} PageConfig
 * @typedef {import("./protocol.js").Model} Model
 */
import { make, need } from "./dom.js";
import * as store from "./store.js";

/** @type {Record<string, string>} */
const TURNS = {
  server_vad: "after a pause",
  semantic_vad: "when I seem to be done",
  none: "push to talk",
};

export class Settings {
  /**
   * @param {object} owner
   * @param {() => void} owner.onModel
   * @param {() => void} owner.onChange
   */
  constructor(owner) {
    this.model = need("model", HTMLSelectElement);
    this.voice = need("voice", HTMLSelectElement);
    this.turns = need("turns", HTMLSelectElement);
    this.instructions = need("instructions", HTMLTextAreaElement);
    /** @type {Model[]} */
    this.models = [];
    this.instructions.value = store.read("instructions");
    this.model.addEventListener("change", () => {
      this.showModel();
      owner.onModel();
    });
    for (const field of [this.voice, this.turns, this.instructions]) {
      field.addEventListener("change", () => {
        this.keep();
        owner.onChange();
      });
    }
    const panel = need("settings", HTMLElement);
    panel.addEventListener("toggle", () => {
      if (panel.matches(":popover-open")) {
        [this.model, this.voice, this.turns].find((field) => !field.disabled)?.focus();
      }
    });
  }

  /** @param {PageConfig} config */
  load(config) {
    this.models = config.models;
    fill(this.model, config.models.map((model) => [model.id, model.id]), store.read("model"));
    this.showModel();
  }

  get isManual() {
    return this.turns.value === "none";
  }

  /** @returns {Model | undefined} */
  get chosen() {
    return this.models.find((model) => model.id === this.model.value);
  }

  /** @returns {Record<string, unknown>} */
  config() {
    return {
      ...(this.model.value === "" ? {} : { model: this.model.value }),
      ...(this.voice.value === "" ? {} : { voice: this.voice.value }),
      ...(this.turns.value === "" ? {} : { turn_detection: this.turns.value }),
      ...(this.instructions.value.trim() === "" ? {} : { instructions: this.instructions.value.trim() }),
      reports_playout: true,
      resume: true,
    };
  }

  /** @private */
  showModel() {
    const model = this.chosen;
    const voices = (model?.voices ?? []).map((voice) => /** @type {[string, string]} */ ([voice, voice]));
    fill(this.voice, [["", "the model's own"], ...voices], store.read("voice"));
    const kinds = model?.turn_detection ?? [];
    fill(this.turns, kinds.map((kind) => [kind, TURNS[kind] ?? kind]), store.read("turns"));
    this.keep();
  }

  /** @private */
  keep() {
    store.write("model", this.model.value);
    store.write("voice", this.voice.value);
    store.write("turns", this.turns.value);
    store.write("instructions", this.instructions.value);
  }
}

/**
 * @param {HTMLSelectElement} select
 * @param {[string, string][]} options value and name
 * @param {string} wanted
 */
function fill(select, options, wanted) {
  select.replaceChildren(
    ...options.map(([value, name]) => {
      const option = make("option", "", name);
      option.value = value;
      return option;
    }),
  );
  if (options.some(([value]) => value === wanted)) {
    select.value = wanted;
  }
  select.disabled = options.length < 2;
}
