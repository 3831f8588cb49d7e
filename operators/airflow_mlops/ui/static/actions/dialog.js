// A dialog that says what will happen, asks why, and shows how it goes. Escape closes it, and focus goes back.
import { h, RouterLink, UI, useId, useState } from "../kit/host.js";
import { runPage } from "./runs.js";

// The longest reason that the forms of the DAGs take.
const LONGEST = 400;
const GOING = ["asking", "running"];

// `answers` are the buttons: [{ label, color, act(reason) }]; `children` stands between the sentences and the reason.
// Not `isReady`: something is still to be chosen.
export function Confirm({ title, says, children, answers, progress, onClose, what, warning, isReady = true }) {
  const [reason, setReason] = useState("");
  const isOver = ["success", "failed"].includes(progress.state);
  const isGoing = GOING.includes(progress.state);
  const given = reason.trim();
  return h(
    UI.Dialog.Root,
    // The dialog shrinks when it goes: a second click beside it must not close it, nor lose what was written.
    {
      open: true,
      onOpenChange: ({ open }) => open || onClose(),
      closeOnInteractOutside: false,
      scrollBehavior: "inside",
    },
    h(
      UI.Portal,
      null,
      h(UI.Dialog.Backdrop),
      h(
        UI.Dialog.Positioner,
        { px: 3 },
        h(
          UI.Dialog.Content,
          null,
          h(UI.Dialog.Header, null, h(UI.Dialog.Title, null, title)),
          h(
            UI.Dialog.Body,
            null,
            h(
              UI.Stack,
              { gap: 4 },
              isOver || isGoing
                ? null
                : h(Plan, { says, warning, reason, setReason, refused: progress.error }, children),
              h(Progress, { progress, what }),
            ),
          ),
          h(
            UI.Dialog.Footer,
            null,
            h(UI.Button, { variant: "outline", onClick: onClose }, isOver || isGoing ? "Close" : "Cancel"),
            // While it goes they stay where they are: the second click of a double click must not close the dialog.
            isOver
              ? null
              : answers.map(({ label, color, act }) =>
                  h(
                    UI.Button,
                    { key: label, colorPalette: color, disabled: !given || !isReady || isGoing, onClick: () => act(given) },
                    label,
                  ),
                ),
          ),
        ),
      ),
    ),
  );
}

function Plan({ says, warning, reason, setReason, refused, children }) {
  return h(
    UI.Stack,
    { gap: 4 },
    h(
      UI.Dialog.Description,
      { as: "div", color: "fg" },
      h(
        UI.Stack,
        { gap: 2 },
        says.filter(Boolean).map((sentence) => h(UI.Text, { key: sentence }, sentence)),
      ),
    ),
    children,
    warning,
    h(Reason, { reason, setReason }),
    refused ? h(Told, { status: "error" }, refused.message) : null,
  );
}

function Reason({ reason, setReason }) {
  const id = useId();
  return h(
    UI.Box,
    null,
    h(Label, { htmlFor: id }, "Reason (kept on record with your name)"),
    h(UI.Textarea, {
      id,
      value: reason,
      maxLength: LONGEST,
      rows: 2,
      required: true,
      "aria-describedby": `${id}-left`,
      onChange: (event) => setReason(event.target.value),
    }),
    h(
      UI.Text,
      { id: `${id}-left`, fontSize: "xs", color: "fg.muted", mt: 1 },
      reason.trim() ? `${LONGEST - reason.length} characters left` : "Nothing happens without one.",
    ),
  );
}

export function Label({ children, ...rest }) {
  return h(UI.Text, { as: "label", display: "block", fontSize: "sm", fontWeight: "medium", mb: 1, ...rest }, children);
}

export function Choice({ label, options, value, onChange }) {
  const id = useId();
  return h(
    UI.Box,
    null,
    h(Label, { htmlFor: id }, label),
    h(
      UI.NativeSelect.Root,
      null,
      h(
        UI.NativeSelect.Field,
        { id, value, onChange: (event) => onChange(event.target.value) },
        options.map(([name, text]) => h("option", { key: name, value: name }, text)),
      ),
      h(UI.NativeSelect.Indicator),
    ),
  );
}

// How a run goes, for the dialog and, once that is closed, for the page.
export function Progress({ progress, what }) {
  const { state, step, why, dagId, runId, by } = progress;
  const link = runId ? h(RunLink, { dagId, runId }, "See the run") : null;
  if (GOING.includes(state)) {
    const doing = state === "asking" ? "asking Airflow" : (step ?? "started");
    return h(
      UI.HStack,
      { role: "status", gap: 3, flexWrap: "wrap" },
      h(UI.Spinner, { size: "sm" }),
      h(UI.Text, null, `${what}: ${doing}. It goes on when this is closed.`),
      link,
    );
  }
  if (state === "success") return h(Told, { status: "success" }, `${what}: done${by ? `, by ${by}` : ""}. `, link);
  if (state === "failed") return h(Told, { status: "error" }, `${what} failed. ${why ?? ""} `, link);
  return null;
}

export function RunLink({ dagId, runId, children }) {
  const link = h(RouterLink, { to: runPage(dagId, runId) }, children);
  return h(UI.Link, { asChild: true, textDecoration: "underline", color: "inherit" }, link);
}

export function Told({ status, children }) {
  return h(
    UI.Alert.Root,
    { status, role: status === "error" ? "alert" : "status" },
    h(UI.Alert.Indicator),
    h(UI.Alert.Title, { fontWeight: "normal", wordBreak: "break-word" }, children),
  );
}
