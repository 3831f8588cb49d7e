// What the pages ask Airflow itself to do, with the user's own cookie: Airflow says who may. A page acts through `act`
// alone, so that this table is complete; a test asks each line of it as somebody who may only read, and wants 403.
import { AIRFLOW, ask } from "./api.js";

export const ACTS = {
  start: ["POST", "/dags/{dag_id}/dagRuns"],
  answer: ["PATCH", "/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/hitlDetails"],
  pause: ["PATCH", "/dags/{dag_id}?update_mask=is_paused"],
};

export function act(name, values, body) {
  const [method, template] = ACTS[name];
  const address = template.replace(/\{(\w+)\}/g, (_, key) => encodeURIComponent(values[key]));
  return ask(`${AIRFLOW}${address}`, { method, body });
}
