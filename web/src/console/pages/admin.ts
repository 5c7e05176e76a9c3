// The pages of this group travel together.
export { AuditPage } from "./audit.tsx";
export { TokensPage } from "./tokens.tsx";
export { WorkspacesPage } from "./workspaces.tsx";
