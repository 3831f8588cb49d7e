// Rules as nested lists: each node with a dot, the word true, false or unknown, what was read, and what is missing.
import { Meter } from "../../kit/charts.js";
import { isNumber, number, sentence, share } from "../../kit/format.js";
import { h, UI } from "../../kit/host.js";

const VALUES = new Map([
  [true, { word: "true", fill: "blue.solid", border: "blue.solid" }],
  [false, { word: "false", fill: "transparent", border: "fg.muted" }],
  [null, { word: "unknown", fill: "transparent", border: "orange.solid", dashed: true }],
]);

export function Trees({ trees }) {
  return h(
    UI.Stack,
    { gap: 3 },
    trees.map((tree) =>
      h(
        UI.Box,
        { key: tree.name },
        h(UI.Heading, { as: "h3", size: "xs", mb: 1 }, tree.title),
        h(Branch, { nodes: [tree.root], label: tree.title }),
        !tree.is_written &&
          tree.name === "train" &&
          h(UI.Text, { fontSize: "xs", color: "fg.muted", mt: 1 }, "The policy's own limits, drawn as a rule."),
      ),
    ),
  );
}

function Branch({ nodes, label }) {
  const isRoot = label !== undefined;
  return h(
    UI.Box,
    {
      as: "ul",
      "aria-label": label,
      listStyleType: "none",
      ms: isRoot ? 0 : "5px",
      ps: isRoot ? 0 : 4,
      borderInlineStartWidth: isRoot ? 0 : "1px",
    },
    nodes.map((node, index) => h(Node, { key: index, node })),
  );
}

function Node({ node }) {
  const value = VALUES.get(node.value);
  return h(
    UI.Box,
    { as: "li", py: 0.5 },
    h(
      UI.HStack,
      { gap: 2, align: "baseline", flexWrap: "wrap" },
      h(Dot, { value }),
      h(UI.Text, { as: "span", fontWeight: "semibold", minW: "4.2rem", fontSize: "sm" }, value.word),
      h(UI.Text, { as: "span" }, sentence(node.says)),
      h(Earlier, { before: node.before }),
    ),
    h(Reading, { node }),
    node.of.length > 0 && h(Branch, { nodes: node.of }),
  );
}

// The word beside it says the same, so a screen reader need not.
function Dot({ value }) {
  return h(UI.Box, {
    as: "span",
    "aria-hidden": true,
    flex: "none",
    boxSize: "10px",
    borderRadius: "full",
    borderWidth: "2px",
    borderStyle: value.dashed ? "dotted" : "solid",
    borderColor: value.border,
    bg: value.fill,
  });
}

function Earlier({ before }) {
  if (before.length === 0) return null;
  const words = before.map((each) => VALUES.get(each).word).join(", ");
  return h(UI.Text, { as: "span", color: "fg.muted", fontSize: "sm" }, `at the looks before: ${words}`);
}

function Reading({ node }) {
  if (node.join !== "compare") return null;
  const words = [said(node), node.detail].filter(Boolean).join(" ");
  if (!words) return null;
  const part = node.bound > 0 && isNumber(node.now) && isNumber(node.bound) ? node.now / node.bound : null;
  return h(
    UI.Box,
    { ms: "calc(10px + 0.5rem)", fontSize: "sm", color: "fg.muted", maxW: "34rem" },
    h(UI.Text, null, words),
    part !== null && part >= 0 && h(Meter, { label: `${node.says}: part of the bound`, share: Math.min(part, 1) }),
  );
}

function said(node) {
  if (node.now === null) return node.value === null && !node.detail ? "Not known at this look." : "";
  if (!isNumber(node.now)) return `Now ${node.now}.`;
  const now = written(node.now, node.unit);
  if (!isNumber(node.bound)) return `Now ${now}.`;
  return `Now ${now} of ${written(node.bound, node.unit)}${missing(node)}.`;
}

function missing({ needs, unit }) {
  if (!isNumber(needs) || needs === 0) return "";
  return `, ${written(Math.abs(needs), unit)} ${needs > 0 ? "below" : "above"} it`;
}

// A share is written in percent, everything else with its unit.
export function written(value, unit) {
  if (unit === "share") return share(value);
  if (unit.startsWith("share of ")) return `${share(value)} ${unit.slice("share ".length)}`;
  return number(value, { unit });
}
