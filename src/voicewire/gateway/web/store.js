/**
 * What survives a reload of this tab: ids, the resume token, the key and the captions. Nothing survives the tab, and a
 * browser that forbids storage only loses the reload.
 */

const PREFIX = "voicewire.";

/**
 * @param {string} name
 * @returns {string}
 */
export function read(name) {
  try {
    return sessionStorage.getItem(PREFIX + name) ?? "";
  } catch {
    return "";
  }
}

/**
 * @param {string} name
 * @param {string} value empty to forget it
 */
export function write(name, value) {
  try {
    if (value === "") {
      sessionStorage.removeItem(PREFIX + name);
    } else {
      sessionStorage.setItem(PREFIX + name, value);
    }
  } catch {
    // Storage is full or forbidden: the page goes on without.
  }
}

/**
 * An id of this tab, made when it is first asked for.
 * @param {string} name
 * @returns {string}
 */
export function id(name) {
  const known = read(name);
  if (known !== "") {
    return known;
  }
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const made = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  write(name, made);
  return made;
}
