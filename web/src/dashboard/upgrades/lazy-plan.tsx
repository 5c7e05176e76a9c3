import { lazy, Suspense } from "react";
import { Loading } from "../../ui/panel.tsx";
import type { PlannedUpgrade } from "../actions.ts";

const Plan = lazy(async () => ({ default: (await import("./upgrade-plan.tsx")).UpgradePlan }));

/** The plan of an upgrade, whose code comes when a dialog asks for it. */
export function UpgradePlan({ wanted }: { wanted: PlannedUpgrade }) {
  return (
    <Suspense fallback={<Loading lines={2} label="Looking what it would be" />}>
      <Plan wanted={wanted} />
    </Suspense>
  );
}
