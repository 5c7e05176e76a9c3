// The pages of this group travel together.
export { ActivatePage } from "./activate.tsx";
export { HostsPage } from "./hosts.tsx";
