import { createRouter } from "@tanstack/react-router";
import { Crash } from "../ui/crash.tsx";
import { Loading } from "../ui/panel.tsx";
import { adminRoutes } from "./routes/admin.ts";
import { fleetRoutes } from "./routes/fleet.ts";
import { root } from "./routes/root.ts";
import { workRoutes } from "./routes/work.ts";

export const router = createRouter({
  routeTree: root.addChildren([...workRoutes, ...fleetRoutes, ...adminRoutes]),
  // The code of a page, when the pointer or the focus is on a link to it.
  defaultPreload: "intent",
  defaultErrorComponent: Crash,
  defaultPendingComponent: () => <Loading lines={6} />,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
