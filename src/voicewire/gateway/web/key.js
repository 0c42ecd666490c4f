/** Asks for the API key of a gateway that wants one. */
import { need } from "./dom.js";
import * as store from "./store.js";

export class KeyDialog {
  /** @param {() => void} onKey called when one was given */
  constructor(onKey) {
    /** @private */
    this.dialog = need("key-dialog", HTMLDialogElement);
    const field = need("key", HTMLInputElement);
    need("key-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      store.write("key", field.value.trim());
      field.value = "";
      this.dialog.close();
      onKey();
    });
    need("key-cancel", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
  }

  get isOpen() {
    return this.dialog.open;
  }

  /** @param {string} why empty for the usual reason */
  ask(why) {
    const usual = store.read("key") === "" ? "Whoever runs the server can give you one." : "The key you gave was not accepted.";
    need("key-why", HTMLElement).textContent = why || usual;
    if (!this.dialog.open) {
      this.dialog.showModal();
    }
  }
}
