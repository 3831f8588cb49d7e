// Airflow shows our icon as a picture, which cannot take the colour of its entry: while the entry is selected, in light mode too,
// what it stands on is dark.
import { h, useEffect } from "./host.js";

const OURS = 'img[src*="/mlops/static/icon"]';

export function SelectedIcon() {
  useEffect(() => {
    // The entry has its name in words; without this a screen reader would spell the picture's address.
    for (const picture of document.querySelectorAll(OURS)) picture.alt = "";
  }, []);
  return h("style", null, `[aria-current="page"] ${OURS} { filter: brightness(0) invert(1); }`);
}
