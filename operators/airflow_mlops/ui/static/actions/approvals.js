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
  return h(
    Fragment,
    null,
    (data?.pending ?? []).map((question) =>
      h(Pending, { key: `${question.version}/${question.since}`, question, dagId: data.dag, reload }),
    ),
  );
}

function Pending({ question, dagId, reload }) {
  const [isOpen, setOpen] = useState(false);
  const waiting = useAnswer(isOpen && question.run ? waitingAt(question.run) : null, { every: EVERY });
  const found = waiting.data?.hitl_details[0];
  const task = found?.task_instance;
  const { progress, start } = useAnswering(task);
  const label = `Approve or reject ${version(question.version)}`;
  const answer = (option) => (reason) => start(option, reason).then(reload);
  return h(
    Fragment,
    null,
    h(UI.Button, { size: "xs", colorPalette: "orange", variant: "surface", onClick: () => setOpen(true) }, label),
    isOpen
      ? h(
          Confirm,
          {
            title: label,
            says: sentences(question),
            what: progress.option === REJECT ? "Rejection" : "Approval",
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
      : h(Progress, { progress, what: label }),
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
    `${name} passed its gate and waits for a person, ${question.reason}.`,
    `Approved, it is tried out and made champion${second}. ` +
      "Rejected, what serves goes on, and nobody is asked about this evaluation again.",
    question.first.length ? `${question.first.join(" and ")} approved first: ${question.first_reason}` : null,
  ];
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
      risks.length ? h("li", { key: "risks" }, `other risks: ${risks.join(", ")}`) : null,
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
