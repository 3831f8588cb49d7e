// What may be done to a model: for each action the button, what its confirmation says, what the actions DAG is told.
//
// `facts` is the answer of /actions. `refused(facts)` says why the button makes no sense now; `says(facts, chosen)` are
// the sentences of the confirmation, `choices(facts)` what is chosen from there, `conf(facts, chosen)` goes to the DAG
// beside the reason.
import { duration, moment, plural, span, version } from "../kit/format.js";

const day = (at) => moment(at, { year: true });
const ON = "The monitor goes on.";

const retrain = {
  label: "Retrain now",
  title: (name) => `Retrain ${name} now`,
  confirm: "Retrain",
  says: (facts) => [
    "A version is trained on the rows known by now and judged against what serves" +
      (facts.serving ? `, ${version(facts.serving)}. It serves only where it passes its gate` : "") +
      (facts.serving ? "" : ": nothing, so it has to beat the simple baseline") +
      ".",
    facts.serving ? `Until then ${version(facts.serving)} goes on serving. ${ON}` : ON,
    facts.now ? `The time of its data stands still: the run stands at ${day(facts.now)}, the newest that is known.` : null,
    facts.paused ? "The loop is paused; a run that a person starts goes on all the same." : null,
    facts.promotions_frozen ? "Promotions are frozen, so the new version waits before it may serve." : null,
  ],
  conf: () => ({ action: "retrain" }),
};

const rollBack = {
  label: "Roll back",
  title: (name) => `Roll ${name} back`,
  confirm: "Roll back",
  grave: true,
  refused: (facts) => (facts.earlier.length ? null : `nothing to go back to: ${facts.no_back}`),
  choices: (facts) => ({
    label: "Version that shall serve",
    // Where the loop itself would go back to none, a person chooses knowingly.
    first: facts.back?.version ?? "",
    options: [
      ...(facts.back ? [] : [["", "Choose a version"]]),
      ...facts.earlier.map((each) => [each.version, `${version(each.version)}, served ${served(each)}`]),
    ],
  }),
  says: (facts, chosen) => [
    !facts.back && `By itself the loop would go back to none of them: ${facts.no_back}.`,
    ...(chosen ? goingBack(facts, chosen) : []),
  ],
  conf: (facts, chosen) => ({
    action: "roll back",
    version: facts.serving,
    ...(chosen === facts.back?.version ? {} : { to: chosen }),
  }),
};

function goingBack(facts, chosen) {
  return [
    `${version(chosen)} will serve again, and ${version(facts.serving)} is frozen: it may not be promoted until ` +
      "somebody unfreezes it.",
    `${version(chosen)} is tried out and loaded first; until the swap ${version(facts.serving)} goes on serving.` +
      (facts.restore_seconds ? ` The last drill took ${duration(facts.restore_seconds)}.` : ""),
    ON,
  ];
}

const served = (each) => (each.until ? span(each.since, each.until) : `since ${day(each.since)}`);

// What is frozen is chosen as one text: a version's name, or all promotions.
const PROMOTIONS = "promotions";
const scoped = (action, chosen) =>
  chosen === PROMOTIONS ? { action, scope: "promotions" } : { action, scope: "version", version: chosen };

const freeze = {
  label: "Freeze",
  title: (name) => `Freeze a version or the promotions of ${name}`,
  confirm: "Freeze",
  refused: (facts) => (freezable(facts).length ? null : "everything is frozen already"),
  choices: (facts) => ({ label: "What to freeze", options: freezable(facts) }),
  says: (facts, chosen) =>
    chosen === PROMOTIONS
      ? [
          "No other version is made champion, by whomever, until somebody unfreezes promotions; a rollback and a " +
            "drill still go through.",
          facts.serving ? `${version(facts.serving)} goes on serving. ${ON}` : ON,
        ]
      : [
          `${version(chosen)} may not be promoted, by whomever, until somebody unfreezes it.`,
          chosen === facts.serving ? `It serves now, and goes on serving. ${ON}` : ON,
        ],
  conf: (facts, chosen) => scoped("freeze", chosen),
};

const freezable = (facts) => [
  ...(facts.promotions_frozen ? [] : [[PROMOTIONS, "every promotion but a rollback"]]),
  ...facts.free.map((each) => [each, `${version(each)}${each === facts.serving ? ", which serves" : ""}`]),
];

const unfreeze = {
  label: "Unfreeze",
  title: (name) => `Unfreeze a version or the promotions of ${name}`,
  confirm: "Unfreeze",
  refused: (facts) => (frozen(facts).length ? null : "nothing is frozen"),
  choices: (facts) => ({ label: "What to unfreeze", options: frozen(facts) }),
  says: (facts, chosen) => [
    chosen === PROMOTIONS
      ? "A version that passes its gate may be made champion again."
      : `${version(chosen)} may be promoted again. By itself that changes nothing that serves.`,
    held(facts, chosen),
  ],
  conf: (facts, chosen) => scoped("unfreeze", chosen),
};

const frozen = (facts) => [
  ...(facts.promotions_frozen ? [[PROMOTIONS, "promotions"]] : []),
  ...facts.frozen.map((each) => [each.version, version(each.version)]),
];

function held(facts, chosen) {
  const found = chosen === PROMOTIONS ? facts.promotions_frozen : facts.frozen.find((each) => each.version === chosen);
  return found ? `Frozen by ${found.by} since ${day(found.since)}: ${found.reason}` : null;
}

const pause = {
  label: "Pause the loop",
  title: (name) => `Pause the loop of ${name}`,
  confirm: "Pause",
  isShown: (facts) => !facts.paused,
  says: (facts) => [
    "From now on the monitor looks and records, and asks for nothing; no schedule trains. A person still may.",
    facts.serving ? `${version(facts.serving)} goes on serving.` : null,
    "It lasts until somebody resumes the loop.",
  ],
  conf: () => ({ action: "pause" }),
};

const resume = {
  label: "Resume the loop",
  title: (name) => `Resume the loop of ${name}`,
  confirm: "Resume",
  isShown: (facts) => Boolean(facts.paused),
  says: (facts) => [
    "From its next look on the monitor may ask for trainings and changes again, and schedules train.",
    `Paused by ${facts.paused.by} since ${day(facts.paused.since)}: ${facts.paused.reason}`,
  ],
  conf: () => ({ action: "resume" }),
};

const named = (kind, otherwise) => (kind ? `the policy ${kind}` : otherwise);

const useShadow = {
  label: "Use shadow policy",
  title: (name) => `Have the policy in shadow decide for ${name}`,
  confirm: "Use shadow policy",
  asks: "use shadow policy",
  isShown: (facts) => !facts.policies?.override,
  says: ({ policies }) => [
    `From its next look on ${named(policies?.shadow, "the policy in shadow")} decides, and ` +
      `${named(policies?.live, "the spec's own")} only records what it would decide.`,
    policies?.looks ? compared(policies) : "The policy in shadow has not looked yet, so nothing can be compared.",
    policies?.weighs ? WEIGHS : null,
    "It holds until somebody chooses the spec's own policy again, or the section retrain of the spec changes.",
  ],
  conf: () => ({ action: "use shadow policy" }),
};

const WEIGHS =
  "It weighs versions that are trained already: other weights of them may serve without a training, once they pass " +
  "the gate. The retrain DAG has had the tasks for it all along.";

const compared = ({ looks, differed, live_retrains, shadow_retrains }) =>
  `In the last ${plural(looks, "look")} the two differed ${plural(differed, "time")}: the one that decides asked for ` +
  `${plural(live_retrains, "training")}, the one in shadow would have asked for ${shadow_retrains}.`;

const useOwn = {
  label: "Use own policy",
  title: (name) => `Have the spec's own policy decide for ${name}`,
  confirm: "Use own policy",
  asks: "use own policy",
  isShown: (facts) => Boolean(facts.policies?.override),
  says: ({ policies }) => [
    `From its next look on ${named(policies.shadow, "the spec's own policy")} decides again, and ` +
      `${named(policies.live, "the other one")} is in shadow.`,
    `Changed by ${policies.override.by} since ${day(policies.override.since)}: ${policies.override.reason}`,
  ],
  conf: () => ({ action: "use own policy" }),
};

export const KINDS = [retrain, rollBack, freeze, unfreeze, pause, resume, useShadow, useOwn];
