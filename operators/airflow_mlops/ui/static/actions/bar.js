// The buttons in the head of a model's page. Nothing is done by our own application: each starts a run of the model's
// actions DAG, or answers a task that waits, by Airflow's API and with the user's own permission.
import { AIRFLOW, OURS, useAnswer } from "../kit/api.js";
import { h, RouterLink, UI, useState } from "../kit/host.js";
import { Approvals } from "./approvals.js";
import { Choice, Confirm, Progress, Told } from "./dialog.js";
import { KINDS } from "./kinds.js";
import { standing } from "./standing.js";
import { useAction } from "./runs.js";

export function Actions({ head, reload }) {
  const base = `${OURS}/models/${encodeURIComponent(head.name)}`;
  const { data: read, error } = useAnswer(`${base}/actions`);
  const dagId = read?.dag;
  const dag = useAnswer(dagId ? `${AIRFLOW}/dags/${encodeURIComponent(dagId)}/details` : null, { every: 120_000 });
  const { progress, start } = useAction(dagId);
  const [open, setOpen] = useState(null);
  const [did, setDid] = useState(null);
  const facts = standing(read, dag.data);
  if (!facts) return error ? h(Small, null, `No action can be taken from here: ${error.message}`) : null;
  const buttons = KINDS.filter((kind) => isOffered(kind, facts, dag.data));
  const close = () => setOpen(null);
  const act = (kind, conf) => {
    setDid(kind);
    return start(conf).then(reload);
  };
  return h(
    UI.Stack,
    { gap: 1, align: { base: "start", md: "end" } },
    h(
      UI.Flex,
      { role: "group", "aria-label": `Actions on ${head.name}`, gap: 2, flexWrap: "wrap" },
      h(Approvals, { base, name: head.name, reload }),
      buttons.map((kind) => {
        const reason = refusedBecause(kind, facts, dag);
        const onClick = () => setOpen(kind);
        const props = { size: "xs", variant: "outline", disabled: Boolean(reason), onClick };
        return h(UI.Button, { key: kind.label, ...props }, kind.label);
      }),
    ),
    h(Reasons, { buttons, facts, dag }),
    open || !did ? null : h(Progress, { progress, what: did.label }),
    open
      ? h(ActionDialog, {
          key: open.label,
          kind: open,
          facts,
          name: head.name,
          isPaused: dag.data?.is_paused,
          progress: open === did ? progress : { state: "idle" },
          act: (conf) => act(open, conf),
          onClose: close,
        })
      : null,
  );
}

// The form of the DAG has the actions on policies only where the spec has one in shadow.
function isOffered(kind, facts, dag) {
  if (kind.isShown && !kind.isShown(facts)) return false;
  return !kind.asks || (dag?.params?.action?.schema?.enum ?? []).includes(kind.asks);
}

function refusedBecause(kind, facts, dag) {
  return withoutDag(facts, dag) ?? kind.refused?.(facts) ?? null;
}

function withoutDag(facts, dag) {
  if (!facts.dag) return "there is no actions DAG of this model that you may read";
  if (dag.error?.status === 404) return `Airflow has no DAG ${facts.dag} now`;
  return null;
}

// Why buttons are disabled, as text: one sentence where it is the same for all.
function Reasons({ buttons, facts, dag }) {
  const common = withoutDag(facts, dag);
  const each = buttons.filter((kind) => kind.refused?.(facts)).map((kind) => `${kind.label}: ${kind.refused(facts)}`);
  const told = common ? [`No action can be taken from here: ${common}.`] : each;
  if (!told.length) return null;
  return h(Small, null, told.join(" · "));
}

function Small({ children }) {
  return h(UI.Text, { fontSize: "xs", color: "fg.muted", maxW: "60ch" }, children);
}

// What it says stays what was read when it was opened: once it is done, there may be nothing left to resume.
function ActionDialog({ kind, facts: latest, name, isPaused, progress, act, onClose }) {
  const [facts] = useState(latest);
  const choices = kind.choices?.(facts);
  const [chosen, setChosen] = useState(choices?.first ?? choices?.options[0]?.[0]);
  const conf = (reason) => ({ ...kind.conf(facts, chosen), ...(facts.now ? { now: facts.now } : {}), reason });
  return h(
    Confirm,
    {
      title: kind.title(name),
      says: kind.says(facts, chosen),
      what: kind.label,
      isReady: chosen !== "",
      warning: isPaused ? h(Paused, { dagId: facts.dag }) : null,
      answers: [{ label: kind.confirm, color: kind.grave ? "red" : "brand", act: (reason) => act(conf(reason)) }],
      progress: inWords(progress, facts.dag),
      onClose,
    },
    choices ? h(Choice, { label: choices.label, options: choices.options, value: chosen, onChange: setChosen }) : null,
  );
}

function Paused({ dagId }) {
  return h(
    Told,
    { status: "warning" },
    `The DAG ${dagId} is paused in Airflow: the run will wait until somebody unpauses it. `,
    h(UI.Link, { asChild: true }, h(RouterLink, { to: `/dags/${dagId}` }, `Open ${dagId}`)),
  );
}

export function inWords(progress, dagId) {
  const status = progress.error?.status;
  const told =
    status === 403
      ? `You may read this model, but not act on it: ask for edit on ${dagId}.`
      : status === 404
        ? `Airflow has no DAG ${dagId}, so nothing was done.`
        : null;
  return told ? { ...progress, error: { message: told } } : progress;
}
