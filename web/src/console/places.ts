import type { LinkProps } from "@tanstack/react-router";
import {
  Boxes,
  Building2,
  Database,
  GitFork,
  House,
  KeyRound,
  ListOrdered,
  type LucideIcon,
  MailWarning,
  Package,
  Play,
  Rocket,
  ScrollText,
  Server,
} from "lucide-react";
import type { Role } from "./gate.tsx";

export interface Place {
  to: NonNullable<LinkProps["to"]>;
  label: string;
  icon: LucideIcon;
  /** After g. */
  key: string;
  /** Who sees it; everybody without it. */
  role?: Role;
}

/** What the navigation shows. */
export const groups: { label: string; places: Place[] }[] = [
  {
    label: "Work",
    places: [
      { to: "/", label: "Home", icon: House, key: "h" },
      { to: "/pipelines", label: "Pipelines", icon: GitFork, key: "p" },
      { to: "/runs", label: "Runs", icon: Play, key: "r" },
      { to: "/dead-letters", label: "Dead letters", icon: MailWarning, key: "d" },
      { to: "/services", label: "Services", icon: Boxes, key: "s" },
      { to: "/queue", label: "Queue", icon: ListOrdered, key: "q" },
      { to: "/storage", label: "Storage", icon: Database, key: "f" },
    ],
  },
  {
    label: "Fleet",
    places: [
      { to: "/hosts", label: "Hosts", icon: Server, key: "o" },
      { to: "/rollouts", label: "Rollouts", icon: Rocket, key: "l" },
      { to: "/releases", label: "Releases", icon: Package, key: "e" },
    ],
  },
  {
    label: "Admin",
    places: [
      { to: "/tokens", label: "Tokens", icon: KeyRound, key: "t", role: "admin" },
      { to: "/workspaces", label: "Workspaces", icon: Building2, key: "w" },
      { to: "/audit", label: "Audit", icon: ScrollText, key: "a", role: "admin" },
    ],
  },
];
