// A link to a stored report: Evidently's page, Data Docs. It opens beside the page, in an origin of its own.
import { OURS } from "./api.js";
import { h, UI } from "./host.js";

const root = OURS.replace(/\/mlops\/api\/v1$/, "");

export function ReportLink({ to, children, ...rest }) {
  if (!to) return null;
  return h(UI.Link, { href: `${root}${to}`, target: "_blank", rel: "noreferrer", color: "fg.info", ...rest }, children, " ↗");
}
