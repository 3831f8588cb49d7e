// The tab "Model" on the page of a DAG. Airflow's loader imports this once and looks the component up by name.
import { OURS, useAnswer } from "./kit/api.js";
import { h, RouterLink, UI } from "./kit/host.js";
import { Answered, Empty } from "./kit/states.js";
import { CELLS } from "./models/cells.js";

// The rest of the row; what comes first stands above it.
const SHOWN = ["serving", "quality", "drift", "budget", "labels", "fresh", "next"];
const ABOUT = {
  retrain: "Trains a challenger, judges it, and lets it serve if it is not worse.",
  monitor: "Looks at new rows and at what was answered, and decides whether a training is needed.",
  score: "Writes the champion's predictions for new rows to a table.",
  actions: "Through it a person acts on the model.",
  bake: "Watches a version after its promotion, and goes back where it breaks.",
  drill: "Rehearses a rollback.",
  ingest: "Brings new rows in.",
  reproduce: "Trains a version again from its record, and compares.",
  backtest: "Replays the model's history under other policies.",
};

function Model({ dagId }) {
  const answer = useAnswer(dagId ? `${OURS}/dags/${encodeURIComponent(dagId)}/model` : null);
  return h(
    UI.Box,
    { p: 4 },
    h(Answered, { answer, label: "Loading the model of this DAG" }, ({ model, kind }) =>
      model
        ? h(Summary, { model, kind })
        : h(Empty, { title: "This DAG belongs to no model." }, h(UI.Text, null, "One tagged model:NAME belongs to the model NAME.")),
    ),
  );
}

function Summary({ model, kind }) {
  const cell = (key) => h(CELLS.find((each) => each.key === key).cell, { model });
  return h(
    UI.Stack,
    { gap: 5 },
    h(
      UI.HStack,
      { justify: "space-between", align: "start", gap: 4, flexWrap: "wrap" },
      h(
        UI.Box,
        { minW: 0 },
        h(UI.Heading, { as: "h2", size: "md" }, model.name),
        h(UI.Text, { color: "fg.muted", fontSize: "sm" }, ABOUT[kind] ?? "Works on this model."),
      ),
      h(
        UI.Button,
        { asChild: true, size: "sm", variant: "outline" },
        h(RouterLink, { to: `/plugin/models/${encodeURIComponent(model.name)}` }, `Open the page of ${model.name}`),
      ),
    ),
    h(UI.Box, { maxW: "80ch" }, cell("state")),
    h(UI.Box, { as: "dl", maxW: "80ch" }, h(Fact, { label: "Last decision" }, cell("decision"))),
    h(
      UI.SimpleGrid,
      { as: "dl", columns: { base: 1, sm: 2, lg: 4 }, gap: 4 },
      CELLS.filter(({ key }) => SHOWN.includes(key)).map(({ key, label }) => h(Fact, { key, label }, cell(key))),
    ),
  );
}

function Fact({ label, children }) {
  return h(
    UI.Box,
    { minW: 0, fontSize: "sm" },
    h(UI.Text, { as: "dt", color: "fg.muted", fontSize: "xs", mb: 1 }, label),
    h(UI.Box, { as: "dd", m: 0 }, children),
  );
}

globalThis.Model = Model;
