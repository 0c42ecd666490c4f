/**
 * What the page and the gateway say to each other at `/ws/{user_id}/{session_id}` and `/ws/room/{room_id}/{user_id}`, and what the page is told of the
 * gateway. Types only; `docs/reference/events.md` describes the events.
 *
 * @typedef {{agent_id: string, agent_name: string}} Agent
 * @typedef {{id: string, name: string}} Participant
 * @typedef {{type: string, rate: number}} AudioFormat
 * @typedef {{role: string, text: string, is_final?: boolean, item_id?: string}} HistoryEntry
 * @typedef {{id: string, name: string, input: Record<string, unknown>, raw_input?: string}} ToolUse
 * @typedef {{message: string, progress: number | null, total: number | null}} Progress
 * @typedef {{id: string, name?: string, output: string | Record<string, unknown>[]}} ToolResult
 *
 * @typedef {{type: "server_session_created", session_id: string}
 *   | {type: "server_session_updated", session_id: string}
 *   | {type: "server_session_ended", session_id: string, reason: string, code: number}
 *   | {type: "server_session_resumed", session_id: string, history: HistoryEntry[]}
 *   | {type: "server_resume_token", token: string, expires_in_s: number}
 *   | {type: "server_room_updated", room_id: string, agents: Participant[], people: Participant[], floor: string}
 *   | Agent & {type: "agent_ready"}
 *   | Agent & {type: "agent_ended", reason: string, code: number}
 *   | Agent & {type: "agent_response_created", response_id: string}
 *   | Agent & {type: "agent_response_done", response_id: string, status: string, reason: string,
 *       input_tokens: number, output_tokens: number}
 *   | Agent & {type: "agent_response_audio_delta", response_id: string, item_id: string, content_index: number,
 *       delta: string, format: AudioFormat}
 *   | Agent & {type: "agent_response_audio_done", response_id: string, item_id: string}
 *   | Agent & {type: "agent_response_audio_transcript_delta", response_id: string, item_id: string, delta: string}
 *   | Agent & {type: "agent_response_audio_transcript_done", response_id: string, item_id: string,
 *       transcript: string}
 *   | Agent & {type: "agent_response_tool_use_delta", item_id: string, tool_use: ToolUse}
 *   | Agent & {type: "agent_response_tool_use_done", item_id: string, tool_use: ToolUse}
 *   | Agent & {type: "agent_response_tool_progress", id: string, name: string} & Progress
 *   | Agent & {type: "agent_response_tool_result", tool_result: ToolResult}
 *   | Agent & {type: "agent_input_transcription_delta", item_id: string, delta: string, is_revision: boolean}
 *   | Agent & {type: "agent_input_transcription_done", item_id: string, transcript: string}
 *   | Agent & {type: "agent_input_started", item_id: string, audio_start_ms: number}
 *   | Agent & {type: "agent_input_done", item_id: string, audio_end_ms: number}
 *   | Agent & {type: "agent_error", error_type: string, code: string, message: string}
 *   | Agent & {type: "agent_playout_flush", generation: number}
 *   | Agent & {type: "agent_playout_heard", item_id: string, content_index: number, heard_samples: number,
 *       generated_samples: number, rate: number, heard_text: string, is_final: boolean, is_cut: boolean}
 * } ServerEvent
 *
 * @typedef {{item_id: string, content_index: number, samples: number, rate: number}} PlayoutPosition
 *
 * @typedef {{type: "client_session_create", config: Record<string, unknown>}
 *   | {type: "client_session_end"}
 *   | {type: "client_response_cancel"}
 *   | {type: "client_text_append", text: string}
 *   | {type: "client_image_append", image: string, format: {type: string}}
 *   | {type: "client_audio_append", audio: string, format: AudioFormat}
 *   | {type: "client_audio_commit"}
 *   | {type: "client_tool_result", id: string, name: string, output: string}
 *   | {type: "client_playout_report", positions: PlayoutPosition[], generation?: number}
 * } ClientEvent
 *
 * @typedef {{id: string, voices: string[], turn_detection: string[], input_rate_hz: number, speaks: boolean,
 *   takes_images: boolean}} Model
 * @typedef {{version: string, models: Model[], room_agents: string[]}} PageConfig
 */

/**
 * A frame of the gateway as an event; null for what is not one.
 * @param {unknown} data
 * @returns {ServerEvent | null}
 */
export function parseEvent(data) {
  if (typeof data !== "string") {
    return null;
  }
  try {
    const event = JSON.parse(data);
    return typeof event === "object" && event !== null && typeof event.type === "string" ? event : null;
  } catch {
    return null;
  }
}
