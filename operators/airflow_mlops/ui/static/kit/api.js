// Asking our API and Airflow's. Both know the user by the cookie of the page.
import { useCallback, useEffect, useRef, useState } from "./host.js";

const root = new URL(document.baseURI).pathname.replace(/\/$/, "");
export const OURS = `${root}/mlops/api/v1`;
export const AIRFLOW = `${root}/api/v2`;
// An event of the window: somebody acted, and every answer on the page may be another one.
export const CHANGED = "mlops-changed";
// An event of the window: something that was away answers again, so whatever else had no answer asks at once.
const BACK = "mlops-back";
// Longer than the slowest answer; after it a server that hangs counts as one that is away.
const PATIENCE_MS = 20_000;

// What went wrong, in a sentence for people: `away` names the part that did not answer, `status` is that of HTTP or 0.
export class Refused extends Error {
  constructor(message, { status = 0, away = null } = {}) {
    super(message);
    this.status = status;
    this.away = away;
  }
}

export async function ask(url, { method = "GET", body, signal } = {}) {
  const isLook = method === "GET";
  let answer;
  try {
    answer = await fetch(url, {
      method,
      signal: isLook ? AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), ...(signal ? [signal] : [])]) : signal,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const then = isLook ? "asking again by itself" : "look at the DAG's runs whether it was done before you try again";
    throw new Refused(`Airflow's API server does not answer; ${then}.`, { away: "airflow" });
  }
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  const content = isJson ? await answer.json().catch(() => null) : null;
  if (!answer.ok) throw new Refused(sentence(answer.status, content), { status: answer.status, away: content?.away });
  return content;
}

function sentence(status, content) {
  if (status === 401) return "You are logged out; reload the page to log in.";
  if (typeof content?.detail === "string" && status !== 403) return content.detail;
  if (Array.isArray(content?.detail)) return content.detail.map((each) => each.msg).join("; ");
  if (status === 403) return "You may not do this: ask for the permission on the model's DAGs.";
  return `Airflow answered with ${status}.`;
}

// Ask again every `every` milliseconds while the page is seen; after a failure sooner, and then less and less often.
// `since` is when the data came, in milliseconds: while there is an error they are what was so then.
export function useAnswer(url, { every = 30_000 } = {}) {
  const [state, setState] = useState({ data: null, error: null, url: null, since: null });
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
        const wasAway = failures > 0;
        failures = 0;
        setState({ data, error: null, url, since: Date.now() });
        if (wasAway) window.dispatchEvent(new Event(BACK));
      } catch (error) {
        if (abort.signal.aborted) return;
        failures += 1;
        // What was shown before stays, with the sentence above it.
        setState((before) => ({ ...(before.url === url ? before : { data: null, since: null }), error, url }));
      }
      if (abort.signal.aborted) return;
      timer = setTimeout(look, failures ? Math.min(every, 2_000 * 2 ** failures) : every);
    };
    const seen = () => document.visibilityState === "visible" && look();
    const back = () => failures > 0 && look();
    document.addEventListener("visibilitychange", seen);
    window.addEventListener(CHANGED, look);
    window.addEventListener(BACK, back);
    again.current = look;
    look();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener(CHANGED, look);
      window.removeEventListener(BACK, back);
    };
  }, [url, every]);
  const reload = useCallback(() => again.current(), []);
  const current = state.url === url;
  return { ...(current ? state : { data: null, error: null, since: null }), reload };
}
