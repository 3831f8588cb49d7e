// The list: one row a model.
import { OURS, useAnswer } from "../kit/api.js";
import { h, RouterLink, UI } from "../kit/host.js";
import { Answered } from "../kit/states.js";

export function ModelsPage() {
  const answer = useAnswer(`${OURS}/models`);
  return h(
    UI.Box,
    { p: 6 },
    h(UI.Heading, { as: "h1", size: "lg", mb: 4 }, "Models"),
    h(Answered, { answer, label: "Loading models" }, ({ models }) =>
      h(
        UI.Table.Root,
        { size: "sm" },
        h(UI.Table.Header, null, h(UI.Table.Row, null, ...["Model", "Serving"].map((name) => h(UI.Table.ColumnHeader, { key: name }, name)))),
        h(
          UI.Table.Body,
          null,
          models.map((model) =>
            h(
              UI.Table.Row,
              { key: model.name },
              h(UI.Table.Cell, null, h(UI.Link, { asChild: true }, h(RouterLink, { to: `/plugin/models/${model.name}` }, model.name))),
              h(UI.Table.Cell, null, model.version ? `v${model.version}` : "—"),
            ),
          ),
        ),
      ),
    ),
  );
}
