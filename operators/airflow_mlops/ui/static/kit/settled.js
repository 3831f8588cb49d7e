// Airflow shows a plugin's component in another place of its tree from the second navigation on, since by then it is loaded.
// React begins anew then: the focus, and what somebody has just written, would be gone. So the second one is made at once.
import { Router, useEffect } from "./host.js";

let isSettled = false;

export function useSettled() {
  const navigate = Router.useNavigate();
  const location = Router.useLocation();
  useEffect(() => {
    if (isSettled) return;
    isSettled = true;
    navigate(location, { replace: true, state: location.state });
  }, []);
  return isSettled;
}
