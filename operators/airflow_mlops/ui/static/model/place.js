// What of the page is chosen, in its address: a link shows others the same, and Back goes one step back.
//
//   const [look, setLook] = useChosen("look")     null where the address has none; null takes it out again
//   const [places, choose] = usePlaces(["from", "to"])   several at once, as one step; { replace: true } is no step
import { Router, useCallback } from "../kit/host.js";

// No choice of ours is longer; what is goes to no server.
const LONGEST = 300;

export function usePlaces(names, { replace = false } = {}) {
  const [params, setParams] = Router.useSearchParams();
  const choose = useCallback(
    (chosen) => {
      const after = new URLSearchParams(params);
      for (const [name, value] of Object.entries(chosen)) {
        if (value === null) after.delete(name);
        else after.set(name, value);
      }
      if (String(after) !== String(params)) setParams(after, { replace });
    },
    [params, setParams, replace],
  );
  return [Object.fromEntries(names.map((name) => [name, written(params.get(name))])), choose];
}

export function useChosen(name, options) {
  const [places, choose] = usePlaces([name], options);
  return [places[name], (value) => choose({ [name]: value })];
}

const written = (value) => (value && value.length <= LONGEST ? value : null);
