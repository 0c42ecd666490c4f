/**
 * The line to the gateway: one WebSocket after the other, one session.
 *
 * A connection that is lost is made again, with growing pauses, and the session resumed by its token. Where the gateway
 * no longer knows the session (its process was restarted), a new one is created that is told what was said.
 *
 * @typedef {import("./protocol.js").ServerEvent} ServerEvent
 * @typedef {import("./protocol.js").ClientEvent} ClientEvent
 * @typedef {import("./protocol.js").HistoryEntry} HistoryEntry
 * @typedef {"off" | "connecting" | "ready" | "waiting" | "locked"} LinkState
 */
import { parseEvent } from "./protocol.js";
import * as store from "./store.js";

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 1800;
/** After so many attempts, about a minute, the server is not only being restarted. */
const PATIENT_ATTEMPTS = 36;
const PATIENT_PAUSE_MS = 8000;
/** A model on the server's own machine may have to be loaded first. */
const OPEN_TIMEOUT_MS = 45000;
/** After the end of a session its socket's close says whether the server went away; it is waited for this long. */
const CLOSE_WAIT_MS = 1500;
const SUBPROTOCOL = "realtime";
const KEY_SUBPROTOCOL = "openai-insecure-api-key.";
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/**
 * @typedef {object} Address
 * @property {string} path of the WebSocket, relative to the page
 * @property {string} sessionId
 * @property {string} token under which name the resume token is kept
 */

export class Link {
  /**
   * @param {object} owner
   * @param {() => Record<string, unknown>} owner.config of the session to create
   * @param {() => HistoryEntry[]} owner.history what was said so far
   * @param {(event: ServerEvent) => void} owner.onEvent
   * @param {(state: LinkState, detail: string) => void} owner.onState
   * @param {Address} address
   */
  constructor(owner, address = ownAddress()) {
    this.owner = owner;
    /** @private */
    this.address = address;
    /** @type {LinkState} */
    this.state = "off";
    this.sessionId = address.sessionId;
    /** @private @type {WebSocket | null} */
    this.socket = null;
    /** @private */
    this.attempt = 0;
    /** @private */
    this.timer = 0;
    /** @private */
    this.hasEnded = false;
    /** @private */
    this.hasResumed = false;
    addEventListener("online", () => {
      if (this.state === "waiting") {
        this.connect();
      }
    });
    addEventListener("offline", () => this.drop());
  }

  get isReady() {
    return this.state === "ready";
  }

  /** Whether a session of this tab can be taken up again. */
  get canResume() {
    return store.read(this.address.token) !== "";
  }

  /** Opens the session, or goes on opening it. */
  open() {
    if (this.state === "off" || this.state === "waiting" || this.state === "locked") {
      this.attempt = 0;
      this.connect();
    }
  }

  /** Ends the session. */
  close() {
    this.send({ type: "client_session_end" });
    store.write(this.address.token, "");
    this.release();
    this.turn("off", "");
  }

  /** Cuts the connection, as a network that is gone does. */
  drop() {
    if (this.socket !== null && this.state !== "off") {
      this.release();
      this.retry("The connection was lost.");
    }
  }

  /**
   * @param {ClientEvent} event
   * @returns {boolean} whether it went out
   */
  send(event) {
    const isCreate = event.type === "client_session_create";
    if (this.socket?.readyState !== WebSocket.OPEN || !(this.isReady || isCreate)) {
      return false;
    }
    this.socket.send(JSON.stringify({ ...event, session_id: this.sessionId }));
    return true;
  }

  /** Tells the session of a changed configuration. */
  update() {
    this.send({ type: "client_session_create", config: this.owner.config() });
  }

  /** Bytes that wait to be sent: audio is not added to a line that does not move. */
  get waitingBytes() {
    return this.socket?.bufferedAmount ?? 0;
  }

  /** @private */
  connect() {
    this.release();
    this.turn("connecting", "");
    const key = store.read("key");
    if (key !== "" && !TOKEN.test(key)) {
      this.turn("locked", "This key has characters that a browser cannot send.");
      return;
    }
    const url = new URL(this.address.path, document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const offered = key === "" ? [] : [SUBPROTOCOL, KEY_SUBPROTOCOL + key];
    const socket = new WebSocket(url, offered);
    this.socket = socket;
    this.hasEnded = false;
    this.timer = setTimeout(() => this.drop(), OPEN_TIMEOUT_MS);
    socket.onopen = () => this.create(store.read(this.address.token));
    socket.onmessage = (message) => this.receive(parseEvent(message.data));
    socket.onclose = (close) => void this.closed(socket, close);
  }

  /**
   * @private
   * @param {string} token of the session to take up again; empty for a new one
   */
  create(token) {
    this.hasResumed = token !== "";
    const history = this.owner.history();
    const more = token !== "" ? { resume_token: token } : history.length > 0 ? { history } : {};
    store.write(this.address.token, "");
    this.send({ type: "client_session_create", config: { ...this.owner.config(), ...more } });
  }

  /**
   * @private
   * @param {ServerEvent | null} event
   */
  receive(event) {
    if (event === null) {
      return;
    }
    switch (event.type) {
      case "server_resume_token":
        store.write(this.address.token, event.token);
        return;
      case "server_session_created":
      case "server_session_resumed":
        if (event.session_id !== this.sessionId) {
          break;
        }
        clearTimeout(this.timer);
        this.attempt = 0;
        this.turn("ready", "");
        break;
      case "server_session_ended":
        if (event.session_id === this.sessionId) {
          this.ended(event.reason);
        }
        break;
      case "agent_error":
        if (event.code === "resume_refused" && this.hasResumed) {
          this.create("");
          return;
        }
        if (this.state === "connecting") {
          this.release();
          this.turn("off", event.message);
          return;
        }
        break;
    }
    this.owner.onEvent(event);
  }

  /**
   * The session is over; unless its server is going away, nothing is left to talk with.
   * @private
   * @param {string} reason
   */
  ended(reason) {
    this.hasEnded = true;
    store.write(this.address.token, "");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.release();
      this.turn("off", reason);
    }, CLOSE_WAIT_MS);
  }

  /**
   * @private
   * @param {WebSocket} socket
   * @param {CloseEvent} close
   */
  async closed(socket, close) {
    if (socket !== this.socket) {
      return;
    }
    const wasReady = this.isReady;
    this.release();
    if (this.hasEnded && ![1001, 1006, 1012, 1013].includes(close.code)) {
      this.turn("off", close.reason);
      return;
    }
    if (!wasReady && !(await this.mayEnter())) {
      return;
    }
    this.retry(close.reason || "The server is gone.");
  }

  /**
   * A refused handshake tells a browser nothing; a plain request does.
   * @private
   */
  async mayEnter() {
    try {
      const answer = await fetch("page/config.json", { headers: authorization(), cache: "no-store" });
      if (answer.status === 401) {
        this.turn("locked", "");
        return false;
      }
    } catch {
      // Nothing answers: the next attempt will tell.
    }
    return this.state === "connecting";
  }

  /**
   * @private
   * @param {string} reason
   */
  retry(reason) {
    const longest = this.attempt < PATIENT_ATTEMPTS ? LONGEST_PAUSE_MS : PATIENT_PAUSE_MS;
    const pause = Math.min(longest, FIRST_PAUSE_MS * 2 ** this.attempt) * (0.75 + Math.random() / 4);
    this.attempt += 1;
    this.timer = setTimeout(() => this.connect(), pause);
    this.turn("waiting", reason);
  }

  /** @private */
  release() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /**
   * @private
   * @param {LinkState} state
   * @param {string} detail
   */
  turn(state, detail) {
    this.state = state;
    this.owner.onState(state, detail);
  }
}

/**
 * Where this tab's own conversation is.
 * @returns {Address}
 */
function ownAddress() {
  const sessionId = store.id("session");
  return { path: `ws/${store.id("user")}/${sessionId}`, sessionId, token: "token" };
}

/**
 * @returns {Record<string, string>}
 */
export function authorization() {
  const key = store.read("key");
  return key === "" ? {} : { Authorization: `Bearer ${key}` };
}
