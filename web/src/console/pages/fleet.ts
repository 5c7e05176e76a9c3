// The pages of this group travel together.
export { ActivatePage } from "./activate.tsx";
export { HostPage } from "./host.tsx";
export { HostsPage } from "./hosts.tsx";
export { ReleasesPage } from "./releases.tsx";
export { RolloutPage } from "./rollout.tsx";
export { RolloutsPage } from "./rollouts.tsx";
