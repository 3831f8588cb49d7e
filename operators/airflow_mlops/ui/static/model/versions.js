// The versions of a model and the challengers that were refused; the chosen one with its evidence.
import { OURS, useAnswer } from "../kit/api.js";
import { Card } from "../kit/card.js";
import { plural } from "../kit/format.js";
import { h, UI, useState } from "../kit/host.js";
import { Answered, Empty } from "../kit/states.js";
import { useChosen } from "./place.js";
import { Chosen } from "./versions/chosen.js";
import { VersionTable } from "./versions/table.js";

const PAGE = 10;

export function Versions({ base }) {
  const [offset, setOffset] = useState(0);
  const [picked, setPicked] = useChosen("version");
  const answer = useAnswer(`${base}/versions?limit=${PAGE}&offset=${offset}`);
  return h(
    Card,
    { title: "Versions and their evidence", aside: answer.data && h(Pager, { total: answer.data.total, offset, setOffset }) },
    h(Answered, { answer, label: "Loading versions" }, ({ versions, total }) =>
      total === 0
        ? h(Empty, { title: "No version yet." }, "The first one comes with the first training that passes the gate.")
        : h(
            UI.Stack,
            { gap: 4 },
            h(VersionTable, { versions, chosen: picked ?? versions[0]?.id, choose: setPicked }),
            versions.length > 0 && h(One, { base, id: picked ?? versions[0].id }),
          ),
    ),
  );
}

function Pager({ total, offset, setOffset }) {
  if (total <= PAGE) return h(UI.Text, { color: "fg.muted", fontSize: "sm" }, plural(total, "entry", "entries"));
  const last = Math.min(offset + PAGE, total);
  const step = (label, to, disabled) =>
    h(UI.Button, { size: "xs", variant: "ghost", disabled, onClick: () => setOffset(to) }, label);
  return h(
    UI.HStack,
    { gap: 1, role: "group", "aria-label": "Pages of versions" },
    step("← Newer", Math.max(0, offset - PAGE), offset === 0),
    h(UI.Text, { color: "fg.muted", fontSize: "sm", role: "status" }, `${offset + 1} to ${last} of ${total}`),
    step("Older →", offset + PAGE, last === total),
  );
}

function One({ base, id }) {
  const answer = useAnswer(`${base}/versions/${encodeURIComponent(id)}`, { every: 120_000 });
  return h(Answered, { answer, label: "Loading its evidence" }, (data) => h(Chosen, { ...data, root: ROOT }));
}

// Where Airflow itself is: the addresses of reports are below it.
const ROOT = OURS.replace(/\/mlops\/api\/v1$/, "");
