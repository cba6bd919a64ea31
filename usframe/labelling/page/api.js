// What the server is asked. A failure is an Error whose message is one line for the reader.

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("usframe annotate does not answer; is it still running in the terminal?");
  }
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error || `usframe annotate failed (${answer.status}); the terminal says more`);
}

const json = async (path, options) => (await ask(path, options)).json();
const bytes = async (path, signal) => new Uint8Array(await (await ask(path, { signal })).arrayBuffer());
const of = (name) => `/api/cases/${encodeURIComponent(name)}`;

export const cases = () => json("/api/cases");
export const look = (name) => json(of(name));
export const plane = (name, axis, at, signal) => bytes(`${of(name)}/planes/${axis}/${at}`, signal);
export const mask = (name, axis, at, signal) => bytes(`${of(name)}/masks/${axis}/${at}`, signal);
export const job = () => json("/api/job");
export const cancel = () => json("/api/cancel", { method: "POST" });

export function verb(name, what, fields, frame) {
  const headers = { "content-type": "application/json" };
  return json(`${of(name)}/${what}?frame=${frame}`, { method: "POST", headers, body: JSON.stringify(fields) });
}

export function unpacked(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
