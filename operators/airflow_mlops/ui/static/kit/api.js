// Asking our API and Airflow's. Both know the user by the cookie of the page.
import { useCallback, useEffect, useRef, useState } from "./host.js";

const root = new URL(document.baseURI).pathname.replace(/\/$/, "");
export const OURS = `${root}/mlops/api/v1`;
export const AIRFLOW = `${root}/api/v2`;
// An event of the window: somebody acted, and every answer on the page may be another one.
export const CHANGED = "mlops-changed";

// What went wrong, in a sentence for people: `away` names the part that did not answer, `status` is that of HTTP or 0.
export class Refused extends Error {
  constructor(message, { status = 0, away = null } = {}) {
    super(message);
    this.status = status;
    this.away = away;
  }
}

export async function ask(url, { method = "GET", body, signal } = {}) {
  let answer;
  try {
    answer = await fetch(url, {
      method,
      signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("Airflow's API server does not answer; asking again by itself.", { away: "airflow" });
  }
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const content = isJson ? await answer.json().catch(() => null) : null;
  if (!answer.ok) throw new Refused(sentence(answer.status, content), { status: answer.status, away: content?.away });
  return content;
}

function sentence(status, content) {
  if (typeof content?.detail === "string") return content.detail;
  if (Array.isArray(content?.detail)) return content.detail.map((each) => each.msg).join("; ");
  if (status === 401) return "You are logged out; reload the page to log in.";
  if (status === 403) return "You may not do this: ask for the permission on the model's DAGs.";
  return `Airflow answered with ${status}.`;
}

// Ask again every `every` milliseconds while the page is seen; after a failure sooner, and then less and less often.
export function useAnswer(url, { every = 30_000 } = {}) {
  const [state, setState] = useState({ data: null, error: null, url: null });
  const again = useRef(() => {});
  useEffect(() => {
    if (!url) return undefined;
    const abort = new AbortController();
    let timer = 0;
    let failures = 0;
    const look = async () => {
      clearTimeout(timer);
      try {
        const data = await ask(url, { signal: abort.signal });
        failures = 0;
        setState({ data, error: null, url });
      } catch (error) {
        if (abort.signal.aborted) return;
        failures += 1;
        // What was shown before stays, with the sentence above it.
        setState((before) => ({ data: before.url === url ? before.data : null, error, url }));
      }
      if (abort.signal.aborted) return;
      timer = setTimeout(look, failures ? Math.min(every, 2_000 * 2 ** failures) : every);
    };
    const seen = () => document.visibilityState === "visible" && look();
    document.addEventListener("visibilitychange", seen);
    window.addEventListener(CHANGED, look);
    again.current = look;
    look();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener(CHANGED, look);
    };
  }, [url, every]);
  const reload = useCallback(() => again.current(), []);
  const current = state.url === url;
  return { data: current ? state.data : null, error: current ? state.error : null, reload };
}
