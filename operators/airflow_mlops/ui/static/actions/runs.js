// Starting a run and following it until it ends, with the sentence of the task that failed.
import { act } from "../kit/airflow.js";
import { AIRFLOW, ask, CHANGED, Refused } from "../kit/api.js";
import { useCallback, useEffect, useRef, useState } from "../kit/host.js";

const EVERY = 1_500;
const DONE = ["success", "failed"];

const runAt = (dagId, runId) => `${AIRFLOW}/dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
export const runPage = (dagId, runId) => `/dags/${dagId}/runs/${encodeURIComponent(runId)}`;

// Waits until `unmounted` asks it to stop; a failure to ask is no end of the run.
async function until(look, signal) {
  for (;;) {
    try {
      const found = await look();
      if (found || signal.aborted) return found;
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof Refused) || error.status === 403 || error.status === 404) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

// `begin()` does the one thing that changes something and answers with what is followed; `look(begun, signal, tell)`
// asks how it goes until it has an end. A second `start` while one is under way does nothing.
function useFollowed(begin, look) {
  const [progress, setProgress] = useState({ state: "idle" });
  const busy = useRef(false);
  const abort = useRef(null);
  useEffect(() => () => abort.current?.abort(), []);
  const start = useCallback(
    async (...given) => {
      if (busy.current) return;
      busy.current = true;
      abort.current = new AbortController();
      const { signal } = abort.current;
      const tell = (more) => !signal.aborted && setProgress((before) => ({ ...before, ...more }));
      setProgress({ state: "asking" });
      try {
        const begun = await begin(...given);
        tell({ state: "running", ...begun });
        const end = await until(() => look(begun, signal, tell), signal);
        if (end) tell(end);
        window.dispatchEvent(new Event(CHANGED));
      } catch (error) {
        tell({ state: "refused", error });
      } finally {
        busy.current = false;
      }
    },
    [begin, look],
  );
  return { progress, start };
}

// A run of the actions DAG.
export function useAction(dagId) {
  const begin = useCallback(
    async (conf) => {
      const run = await act("start", { dag_id: dagId }, { logical_date: null, conf });
      return { dagId, runId: run.dag_run_id };
    },
    [dagId],
  );
  const look = useCallback(async ({ runId }, signal, tell) => {
    const run = await ask(runAt(dagId, runId), { signal });
    const { task_instances: tasks } = await ask(`${runAt(dagId, runId)}/taskInstances?limit=50`, { signal });
    tell({ step: stepOf(run, tasks) });
    if (!DONE.includes(run.state)) return null;
    if (run.state === "success") return { state: "success" };
    return { state: "failed", why: await failureOf(runAt(dagId, runId), tasks, signal) };
  }, [dagId]);
  return useFollowed(begin, look);
}

// One task that waited for a person: it goes on with the answer, or refuses it.
export function useAnswering(task) {
  const begin = useCallback(
    async (option, reason) => {
      const { dag_id: dagId, dag_run_id: runId, task_id: taskId, map_index: mapIndex } = task;
      const said = await act(
        "answer",
        { dag_id: dagId, run_id: runId, task_id: taskId, map_index: mapIndex },
        { chosen_options: [option], params_input: { reason } },
      );
      return { dagId, runId, option, by: said?.responded_by?.name };
    },
    [task],
  );
  const look = useCallback(async ({ dagId, runId }, signal, tell) => {
    const found = await ask(`${runAt(dagId, runId)}/taskInstances/${encodeURIComponent(task.task_id)}`, { signal });
    tell({ step: found.state });
    if (found.state === "success" || found.state === "skipped") return { state: "success" };
    if (found.state !== "failed") return null;
    return { state: "failed", why: await failureOf(runAt(dagId, runId), [found], signal) };
  }, [task]);
  return useFollowed(begin, look);
}

function stepOf(run, tasks) {
  const active = tasks.find((task) => ["running", "deferred", "up_for_reschedule"].includes(task.state));
  if (active) return `${active.task_display_name ?? active.task_id} is at work`;
  const again = tasks.find((task) => task.state === "up_for_retry");
  if (again) return `${again.task_display_name ?? again.task_id} is tried again soon (try ${again.try_number} failed)`;
  return run.state === "queued" ? "waiting for a free place" : "between two tasks";
}

// The operators say what went wrong as one line of their log; who may not read logs gets the name of the task.
async function failureOf(base, tasks, signal) {
  const failed = tasks.find((task) => task.state === "failed");
  if (!failed) return "The run failed before a task could say why.";
  const name = failed.task_display_name ?? failed.task_id;
  try {
    const at = `${base}/taskInstances/${encodeURIComponent(failed.task_id)}/logs/${Math.max(failed.try_number, 1)}`;
    const log = await ask(`${at}?map_index=${failed.map_index ?? -1}`, { signal });
    const told = (log?.content ?? []).find((line) => ["error", "critical"].includes(line?.level) && line.event);
    if (told) return `${name}: ${told.event}`;
  } catch (error) {
    if (signal.aborted) throw error;
  }
  return `${name} failed; its log says why.`;
}
