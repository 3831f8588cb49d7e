// Why the policy decided as it did: sentences, the rules with the value of every node, what was read, and the shadow.
import { useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { capital, member, moment, number, plural, sentence, span, version } from "../kit/format.js";
import { h, RouterLink, UI } from "../kit/host.js";
import { Answered, Empty } from "../kit/states.js";
import { useChosen } from "./place.js";
import { Readings } from "./decision/readings.js";
import { Trees } from "./decision/tree.js";

const ACTIONS = {
  nothing: { title: "Nothing to do", color: "green" },
  warn: { title: "Warning: look at it", color: "orange" },
  recalibrate: { title: "Correct what serves", color: "blue" },
  "re-weigh": { title: "Weigh the members anew", color: "blue" },
  "re-elect": { title: "Serve another version", color: "blue" },
  "roll back": { title: "Serve what served before", color: "blue" },
  retrain: { title: "Retrain", color: "blue" },
  call: { title: "A person has to look", color: "red" },
};

export function Decision({ base }) {
  const [key, setKey] = useChosen("decision");
  const answer = useAnswer(`${base}/decision${key === null ? "" : `?key=${encodeURIComponent(key)}`}`);
  const decision = answer.data?.decision;
  const steps = decision && h(Steps, { decision, key: "steps", go: setKey });
  return h(
    Card,
    { title: key === null ? "Last decision" : "An earlier decision", aside: steps },
    h(Answered, { answer, label: "Loading the decision" }, (data) =>
      data.decision
        ? h(Told, data)
        : h(Empty, { title: "Nothing was decided yet." }, "The monitor DAG decides at each of its runs."),
    ),
  );
}

function Steps({ decision, go }) {
  const step = (name, key, label) =>
    h(UI.Button, { size: "xs", variant: "ghost", disabled: !key, onClick: () => go(key), "aria-label": label }, name);
  return h(
    UI.HStack,
    { gap: 1, role: "group", "aria-label": "Step through decisions" },
    step("← Earlier", decision.older, "The decision before this one"),
    step("Later →", decision.newer, "The decision after this one"),
    decision.newer &&
      h(UI.Button, { size: "xs", variant: "ghost", onClick: () => go(null), "aria-label": "The last decision" }, "Last"),
  );
}

function Told({ decision, run }) {
  return h(
    UI.Stack,
    { gap: 4, "aria-live": "polite" },
    h(Headline, { decision, run }),
    h(Reasons, { decision }),
    h(Trees, { trees: decision.trees }),
    h(Otherwise, null, decision.counterfactual),
    h(Members, { decision }),
    h(Shadow, { shadow: decision.shadow }),
    h(Readings, { readings: decision.readings }),
  );
}

function Headline({ decision, run }) {
  const action = ACTIONS[decision.action] ?? { title: sentence(decision.action), color: "gray" };
  const facts = [
    decision.champion_version ? `${version(decision.champion_version)} served, epoch ${decision.epoch}` : "no champion",
    decision.rows !== null && `${plural(decision.rows, "row")} of ${span(decision.rows_start, decision.rows_end)}`,
    decision.data_check && `data check: ${decision.data_check}`,
  ].filter(Boolean);
  return h(
    UI.Box,
    null,
    h(
      UI.HStack,
      { gap: 2, flexWrap: "wrap" },
      h(UI.Badge, { colorPalette: action.color, size: "md" }, action.title),
      decision.held_by && h(UI.Badge, { variant: "outline" }, `Held by: ${decision.held_by}`),
      h(UI.Text, { color: "fg.muted" }, `for ${moment(decision.at, { year: true })}`),
      run &&
        h(
          UI.Link,
          { asChild: true, color: "fg.info" },
          h(RouterLink, { to: `/dags/${run.dag_id}/runs/${encodeURIComponent(run.run_id)}` }, "Run that decided"),
        ),
    ),
    h(UI.Text, { color: "fg.muted", fontSize: "sm", mt: 1 }, facts.join(" · ")),
  );
}

function Reasons({ decision }) {
  const cause = decision.cause === "bake" ? ["A broken bake decided in the policy's place."] : [];
  const window = decision.window ? [`The training takes the rows of the window '${decision.window}'.`] : [];
  return h(
    UI.List.Root,
    { as: "ul", ps: 5, gap: 1 },
    [...cause, ...decision.reasons, ...window].map((each) => h(UI.List.Item, { key: each }, capital(each))),
  );
}

export function Otherwise({ children }) {
  if (!children) return null;
  return h(
    UI.Box,
    { borderInlineStartWidth: "3px", borderColor: "border.emphasized", ps: 3, py: 1 },
    h(UI.Text, { fontWeight: "semibold", fontSize: "sm" }, "What would have changed it"),
    h(UI.Text, null, children),
  );
}

function Members({ decision }) {
  if (decision.weights.length === 0) return null;
  return h(
    UI.Box,
    null,
    h(UI.Heading, { as: "h3", size: "xs", mb: 1 }, decision.action === "retrain" ? "What serves until then" : "What is to serve"),
    h(
      UI.List.Root,
      { as: "ul", ps: 5 },
      decision.weights.map((each) =>
        h(
          UI.List.Item,
          { key: each.model_id },
          member(each),
        ),
      ),
    ),
    decision.correction !== null &&
      h(UI.Text, { color: "fg.muted", fontSize: "sm" }, `Correction of the answers: ${corrected(decision.correction)}`),
  );
}

const corrected = (value) =>
  [value].flat().map((each) => number(each, { signed: true })).join(", ");

function Shadow({ shadow }) {
  if (!shadow) return null;
  const { looks, both, only_live: live, only_shadow: other, neither } = shadow.agreement;
  const action = ACTIONS[shadow.action]?.title ?? sentence(shadow.action);
  return h(
    UI.Box,
    { borderWidth: "1px", borderStyle: "dashed", borderRadius: "md", p: 3 },
    h(UI.Heading, { as: "h3", size: "xs", mb: 1 }, "The policy in shadow, on the same facts"),
    h(UI.Text, null, `${action}${shadow.held_by ? ` (held by: ${shadow.held_by})` : ""}: ${shadow.reasons[0] ?? ""}`),
    h(
      UI.Text,
      { color: "fg.muted", fontSize: "sm", mt: 1 },
      `Over the last ${plural(looks, "look")}: both would have retrained ${both} times, only what decides ${live}, ` +
        `only the shadow ${other}, neither ${neither}. It records only, and asks for nothing.`,
    ),
    h(
      UI.Box,
      { as: "details", mt: 2 },
      h(UI.Box, { as: "summary", cursor: "pointer", fontSize: "sm" }, "Its rules"),
      h(Trees, { trees: shadow.trees }),
      h(Otherwise, null, shadow.counterfactual),
    ),
  );
}
