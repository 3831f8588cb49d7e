// Airflow shows our icon as a picture, which cannot take the colour of its entry: while that is selected, what the icon
// stands on is dark in light mode too.
import { h, useEffect } from "./host.js";

const OURS = 'img[src*="mlops/static/icon"]';

export function SelectedIcon() {
  useEffect(() => {
    // The entry has its name in words; without this a screen reader would spell the picture's address.
    for (const picture of document.querySelectorAll(OURS)) picture.alt = "";
  }, []);
  return h("style", null, `[aria-current="page"] ${OURS} { filter: brightness(0) invert(1); }`);
}
