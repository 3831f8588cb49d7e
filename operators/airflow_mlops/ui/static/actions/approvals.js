// Questions that wait for a person: one button for each, and the dialog in which it is answered.
import { AIRFLOW, useAnswer } from "../kit/api.js";
import { ago, moment, version } from "../kit/format.js";
import { Fragment, h, UI, useState } from "../kit/host.js";
import { ReportLink } from "../kit/reports.js";
import { Confirm, Progress, RunLink, Told } from "./dialog.js";
import { useAnswering } from "./runs.js";

const EVERY = 15_000;
const APPROVE = "Approve";
const REJECT = "Reject";

export function Approvals({ base, reload }) {
  const { data } = useAnswer(`${base}/approvals`, { every: EVERY });
  // Once answered a question is pending no more; who answered still wants to see what came of it.
  const [answered, setAnswered] = useState([]);
  const pending = data?.pending ?? [];
  const names = pending.map(nameOf);
  const after = answered.filter((question) => !names.includes(nameOf(question)));
  return h(
    Fragment,
    null,
    [...pending, ...after].map((question) =>
      h(Pending, {
        key: nameOf(question),
        question,
        isPending: !after.includes(question),
        dagId: data?.dag,
        keep: () => setAnswered((before) => [...before, question]),
        reload,
      }),
    ),
  );
}

const nameOf = ({ version: name, since, first }) => `${name}/${since}/${first.length}`;

function Pending({ question, isPending, dagId, keep, reload }) {
  const [isOpen, setOpen] = useState(false);
  const waiting = useAnswer(isOpen && question.run ? waitingAt(question.run) : null, { every: EVERY });
  const found = waiting.data?.hitl_details[0];
  const task = found?.task_instance;
  const { progress, start } = useAnswering(task);
  const label = `Approve or reject ${version(question.version)}`;
  const answer = (option) => (reason) => {
    keep();
    return start(option, reason).then(reload);
  };
  const what = progress.option === REJECT ? "Rejection" : "Approval";
  const button = { size: "xs", colorPalette: "orange", variant: "surface", onClick: () => setOpen(true) };
  return h(
    Fragment,
    null,
    isPending ? h(UI.Button, button, label) : null,
    isOpen
      ? h(
          Confirm,
          {
            title: label,
            says: sentences(question),
            what,
            answers: task
              ? [
                  { label: REJECT, color: "red", act: answer(REJECT) },
                  { label: APPROVE, color: "brand", act: answer(APPROVE) },
                ]
              : [],
            progress: refusedInWords(progress, question, dagId),
            onClose: () => setOpen(false),
          },
          h(Evidence, { question }),
          h(Who, { question, assigned: found?.assigned_users }),
          h(Waits, { question, waiting, task, dagId }),
        )
      : h(Progress, { progress, what }),
  );
}

// Of two people the second is asked by a task of its own; only one of them waits at a time.
function waitingAt({ dag_id: dagId, run_id: runId }) {
  const run = `${AIRFLOW}/dags/${encodeURIComponent(dagId)}/dagRuns/${encodeURIComponent(runId)}`;
  return `${run}/hitlDetails?state=awaiting_input&response_received=false`;
}

function sentences(question) {
  const name = version(question.version);
  const second = question.four_eyes && !question.first.length ? " once a second person approves too" : "";
  return [
    `${name} passed its gate and waits for a person, ${inPlainWords(question)}.`,
    `Approved, it is tried out and made champion${second}. ` +
      "Rejected, all stays as it is, and nobody is asked about this evaluation again.",
    question.first.length ? `${question.first.join(" and ")} approved first: ${question.first_reason}` : null,
  ];
}

// The names of risks are keys of the spec.
function inPlainWords({ reason, asked_for: asked }) {
  return asked.reduce((words, risk) => words.replaceAll(risk, risk.replaceAll("_", " ")), reason);
}

function Evidence({ question }) {
  const risks = question.risks.filter((risk) => !question.asked_for.includes(risk));
  return h(
    UI.Box,
    null,
    h(UI.Text, { fontSize: "sm", fontWeight: "medium" }, `Evidence: ${question.verdict ?? "none on record"}`),
    h(
      UI.Box,
      { as: "ul", ps: 5, listStyleType: "disc", fontSize: "sm" },
      question.evidence.map((reason) => h("li", { key: reason }, reason)),
      risks.length ? h("li", { key: "risks" }, `other risks: ${risks.join(", ").replaceAll("_", " ")}`) : null,
    ),
    question.report ? h(ReportLink, { to: question.report.href }, question.report.name) : null,
  );
}

function Who({ question, assigned }) {
  const named = assigned?.length ? assigned.map((each) => each.name) : question.approvers;
  const may = named.length ? `${named.join(", ")} may answer` : "Whoever may write to the runs of the DAG may answer";
  const four = question.four_eyes
    ? `; four eyes: two people${question.set_aside.length ? `, not ${question.set_aside.join(" nor ")}` : ""}`
    : "";
  const expires = question.expires
    ? ` Without an answer it is rejected at ${moment(question.expires)} UTC (${ago(question.expires)}).`
    : "";
  return h(
    UI.Text,
    { fontSize: "sm", color: "fg.muted" },
    `${may}${four}. Asked ${ago(question.since)}.${expires}`,
  );
}

// Which task waits, or that none does: the ledger's question outlives a run that somebody ended.
function Waits({ question, waiting, task, dagId }) {
  const run = question.run
    ? h(RunLink, { dagId: question.run.dag_id, runId: question.run.run_id }, "Open its run")
    : null;
  if (waiting.error) return h(Told, { status: "error" }, waiting.error.message);
  if (question.run && (!waiting.data || task)) return run;
  return h(
    Told,
    { status: "warning" },
    `No task of ${dagId ?? "the retrain DAG"} waits for this answer: the run has ended, or is about to go on. `,
    run,
  );
}

function refusedInWords(progress, question, dagId) {
  if (progress.error?.status === 403) {
    const only = question.approvers.length ? `: ${question.approvers.join(", ")} may` : `: ask for edit on ${dagId}`;
    return { ...progress, error: { message: `You may read this question, but not answer it${only}.` } };
  }
  if (progress.error?.status === 409) return { ...progress, error: { message: "Somebody has answered meanwhile." } };
  return progress;
}
