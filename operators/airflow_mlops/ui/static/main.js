// The app behind the navigation entry "Models". Airflow's loader imports this once and looks the component up by name.
import { h, Router, UI } from "./kit/host.js";
import { AwayBar } from "./kit/health.js";
import { SelectedIcon } from "./kit/icon.js";
import { useSettled } from "./kit/settled.js";
import { ModelsPage } from "./models/page.js";
import { ModelPage } from "./model/page.js";

function Models() {
  const name = Router.useParams()["*"];
  const isSettled = useSettled();
  const page = name ? h(ModelPage, { name, key: name }) : h(ModelsPage);
  return h(UI.Box, { as: "main", "data-mlops": "" }, h(SelectedIcon), h(AwayBar), isSettled && page);
}

globalThis.Models = Models;
