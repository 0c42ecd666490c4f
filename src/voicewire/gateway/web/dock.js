/** What both views show in the same way: levels, and what went wrong. */
import { need } from "./dom.js";

const QUIETEST_DBFS = -60;

/**
 * @param {number} level in decibels of full scale
 * @param {"user" | "agent"} who
 */
export function showLevel(level, who) {
  const part = Math.max(0, Math.min(1, 1 - level / QUIETEST_DBFS));
  const meter = need(who === "user" ? "mic-level" : "agent-level", HTMLElement);
  const shown = (10 * part).toFixed(0);
  if (meter.getAttribute("aria-valuenow") !== shown) {
    meter.setAttribute("aria-valuenow", shown);
  }
  document.body.style.setProperty(who === "user" ? "--user-level" : "--agent-level", part.toFixed(3));
}

/** @param {string} text empty when all is well */
export function showTrouble(text) {
  need("trouble", HTMLElement).hidden = text === "";
  need("trouble-text", HTMLElement).textContent = text;
}
