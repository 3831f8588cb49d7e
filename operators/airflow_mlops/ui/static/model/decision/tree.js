// Rules as nested lists: each node with a dot, the word true, false or unknown, what was read, and what is missing.
import { isNumber, number, sentence, share } from "../../kit/format.js";
import { h, UI } from "../../kit/host.js";

const VALUES = new Map([
  [true, { word: "true", fill: "blue.solid", border: "blue.solid" }],
  [false, { word: "false", fill: "transparent", border: "fg.muted" }],
  [null, { word: "unknown", fill: "transparent", border: "orange.solid", dashed: true }],
]);

export function Trees({ trees }) {
  return h(
    UI.SimpleGrid,
    { columns: { base: 1, lg: trees.length > 1 ? 2 : 1 }, gap: 5, alignItems: "start" },
    trees.map((tree) =>
      h(
        UI.Box,
        { key: tree.name, minW: 0 },
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
      h(UI.Text, { as: "span", fontWeight: "semibold", minW: "3.9rem", fontSize: "sm" }, value.word),
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
  return h(
    UI.Box,
    { ms: "calc(10px + 0.5rem)", fontSize: "sm", color: "fg.muted" },
    h(UI.Text, null, words),
    h(Bar, { node }),
  );
}

// How much of the bound is reached; the sentence above it says the same in numbers.
function Bar({ node }) {
  if (!isNumber(node.now) || !isNumber(node.bound) || node.bound <= 0 || node.now < 0) return null;
  const part = Math.min(node.now / node.bound, 1);
  return h(
    UI.Box,
    { "aria-hidden": true, mt: 1, h: "4px", maxW: "14rem", borderRadius: "full", bg: "bg.emphasized", overflow: "hidden" },
    h(UI.Box, { h: "full", w: `${part * 100}%`, bg: node.value ? "blue.solid" : "fg.subtle" }),
  );
}

function said(node) {
  if (node.now === null) return node.value === null && !node.detail ? "Not known at this look." : "";
  if (!isNumber(node.now)) return `Now ${node.now}.`;
  if (!isNumber(node.bound)) return `Now ${written(node.now, node.unit)}.`;
  return `Now ${bare(node.now, node)} of ${written(node.bound, node.unit)}${missing(node)}.`;
}

function missing({ needs, unit }) {
  if (!isNumber(needs) || needs === 0) return "";
  return `: ${bare(Math.abs(needs), { unit })} ${needs > 0 ? "below" : "above"} it`;
}

// The unit stands once, at the bound.
const bare = (value, { unit }) => (unit.startsWith("share") ? written(value, "share") : number(value));

// A share is written in percent, everything else with its unit.
export function written(value, unit) {
  if (unit === "share") return share(value);
  if (unit.startsWith("share of ")) return `${share(value)} ${unit.slice("share ".length)}`;
  return number(value, { unit: unit.replaceAll("_", " ") });
}
