// The HTTP API, as the page uses it.

/** What went wrong, in words for the reader. `kind` is the anchor of the problem's type, "" where none was given. */
export class Problem extends Error {
  constructor({ type = "", status = 0, detail = "The assistant cannot be reached.", remedy = "" } = {}) {
    super([detail, remedy].filter(Boolean).join(" "));
    this.kind = type.split("#")[1] ?? "";
    this.status = status;
  }
}

const UNREACHABLE = { detail: "The assistant cannot be reached.", remedy: "Check the connection and try again." };
const CUT_OFF = { detail: "The connection was lost before the answer was complete.", remedy: "Please try again." };

async function send(method, path, body, options = {}) {
  const headers = { ...(body && { "Content-Type": "application/json" }), ...options.headers };
  const init = { method, headers, signal: options.signal, body: body && JSON.stringify(body) };
  const response = await fetch(path, init).catch((error) => {
    throw error.name === "AbortError" ? error : new Problem(UNREACHABLE);
  });
  if (!response.ok) throw new Problem(await response.json().catch(() => UNREACHABLE));
  return response;
}

/** Call the API: its JSON, or null where it sends none. Throws Problem. */
export async function call(method, path, body) {
  const response = await send(method, path, body);
  return response.status === 204 ? null : response.json();
}

/** The events of an answer as [name, data], the whole answer last. Throws Problem, or AbortError after an abort. */
export async function* ask(body, signal) {
  const response = await send("POST", "/v1/ask", body, { signal, headers: { Accept: "text/event-stream" } });
  let complete = false;
  for await (const [name, data] of events(response.body)) {
    if (name === "error") throw new Problem(data);
    complete ||= name === "answer";
    yield [name, data];
  }
  if (!complete) throw new Problem(CUT_OFF);
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw error.name === "AbortError" ? error : new Problem(CUT_OFF);
    });
    if (done) return;
    const frames = (pending + value).split("\n\n");
    pending = frames.pop();
    for (const frame of frames) {
      const fields = Object.fromEntries(frame.split("\n").map((line) => line.split(/: (.*)/s, 2)));
      yield [fields.event, JSON.parse(fields.data)];
    }
  }
}
