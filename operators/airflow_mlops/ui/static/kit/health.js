// What is away, above every page; nothing where all parts answer. The page itself tells of the ledger, since all that it
// shows comes from there.
import { OURS, useAnswer } from "./api.js";
import { capital, moment } from "./format.js";
import { h, UI, useEffect, useState } from "./host.js";

// Sooner while something is away: whoever brought it back wants to see it.
const WELL_MS = 30_000;
const AWAY_MS = 10_000;

export function AwayBar() {
  const [every, setEvery] = useState(WELL_MS);
  const { data } = useAnswer(`${OURS}/health`, { every });
  const away = data?.parts.filter(({ part, ok }) => !ok && part !== "ledger") ?? [];
  useEffect(() => setEvery(away.length ? AWAY_MS : WELL_MS), [away.length]);
  return h(
    UI.Box,
    // There from the start, so that a screen reader hears what comes into it.
    { role: "status", px: { base: 3, md: 6 } },
    away.length > 0 &&
      h(
        UI.Alert.Root,
        { status: "warning", variant: "outline", size: "sm", mt: 3 },
        h(UI.Alert.Indicator),
        h(
          UI.Alert.Title,
          { fontWeight: "normal" },
          away.map(({ part, sentence, since }) =>
            h(UI.Text, { key: part }, `${capital(sentence)} It was first missed on ${moment(since)} UTC.`),
          ),
        ),
      ),
  );
}
