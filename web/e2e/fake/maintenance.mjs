// The maintenance mode of the fake control plane: it is waited for until somebody looks three times.
import { iso } from "./records.mjs";

export function maintenance(session, publish) {
  let mode = { mode: "running", modeChangedAt: iso(9e7) };
  let looks = 0;
  const move = (next) => {
    mode = { ...next, modeChangedAt: iso() };
    publish({ type: "mode", status: mode.mode });
  };
  const answer = () => ({
    canEnterMaintenance: false,
    pendingTasks: mode.mode === "maintenance" ? 0 : 2,
    runningTasks: mode.mode === "maintenance" ? 0 : 1,
    message: "",
    ...mode,
  });
  return [
    [
      "GET",
      /^\/api\/maintenance$/,
      () => {
        if (mode.mode === "waiting_for_maintenance" && ++looks > 2) move({ ...mode, mode: "maintenance" });
        return answer();
      },
    ],
    [
      "POST",
      /^\/api\/maintenance\/(request|exit)$/,
      ([step], { body }) => {
        looks = 0;
        if (step === "exit") move({ mode: "running" });
        else move({ mode: "waiting_for_maintenance", by: session.name, reason: body.reason });
        return answer();
      },
    ],
  ];
}
