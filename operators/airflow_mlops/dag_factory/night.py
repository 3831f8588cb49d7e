"""What stands at the end of every DAG's page, the same in each: for somebody who was woken up."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from airflow.configuration import conf

from airflow_mlops.report_access import model_page_url

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


def with_night_help(spec: ModelSpec, page: str) -> str:
    """Return a page with what to do at night, who owns the model, and where its spec is."""
    model, retrain, monitor, actions = _links(spec)
    return f"""{page.strip()}

## At three in the morning

1. **Look** at {model}: what serves, its state, and the sentence of the last decision. A red task says on its own
   page what its failure means; as a rule the champion goes on serving.
2. **Answers are wrong since a promotion?** Roll back on that page; or open {actions}, press *Trigger*, leave
   *roll back* as it is, and give a reason. The version before serves again, and the bad one is frozen.
3. **The loop does what it should not?** Pause it on that page, or by the same form: nothing is trained or promoted by
   itself, what serves goes on serving, and *resume* lets the loop go on. The switch of a DAG stops only that DAG.
4. **It can wait, or you are not sure?** Nothing has to be mended for the champion to serve. The owner is
   **{spec.owner}**.

{_origin(spec)} The loop: {monitor}, {retrain}.
"""


def _links(spec: ModelSpec) -> tuple[str, str, str, str]:
    """Return the links to the model's page and to the DAGs that people look for, in Markdown."""
    root = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    kinds = ("retrain", "monitor", "actions")
    retrain, monitor, actions = (f"[{spec.name}: {kind}]({root}/dags/{quote(spec.name)}_{kind})" for kind in kinds)
    return f"[the page of {spec.name}]({model_page_url(root, spec.name)})", retrain, monitor, actions


def _origin(spec: ModelSpec) -> str:
    if not spec.file_name:
        return "This DAG is made from a spec."
    return f"This DAG is made from the spec `{spec.file_name}`; what changes there is here after the next parse."
