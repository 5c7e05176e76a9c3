// `npm run fake`: both pages against servers that hold everything in memory, to look at them.
import { startControlPlane } from "./controlplane.mjs";
import { startDaemon } from "./daemon.mjs";

const scene = process.argv[2];
const daemon = await startDaemon({ scene: scene ?? "crowd", port: Number(process.env.DASHBOARD_PORT ?? 0) });
const controlPlane = await startControlPlane({
  scene: scene ?? "full",
  port: Number(process.env.CONSOLE_PORT ?? 0),
  stepMs: 1_500,
});
console.log(`dashboard  ${daemon.url}\nconsole    ${controlPlane.url}`);
