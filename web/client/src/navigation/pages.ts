/** Which pages does the navigation name, and which of them is open? */

import { useMatches } from "@tanstack/react-router";
import type { IconName } from "@/ui/Icon";

export type Section =
  | "graph"
  | "runs"
  | "dead-letters"
  | "incidents"
  | "schedules"
  | "control"
  | "quality"
  | "services"
  | "actions"
  | "editor";

export interface NavigationEntry {
  section: Section;
  label: string;
  /** In the bar at the bottom, where there is little room. */
  short: string;
  to:
    | "/"
    | "/runs"
    | "/dead-letters"
    | "/incidents"
    | "/schedules"
    | "/control"
    | "/quality"
    | "/services"
    | "/actions"
    | "/pipelines/$pipeline/editor";
  icon: IconName;
}

/** All pages, in the order of the top bar. */
export const navigation: readonly NavigationEntry[] = [
  { section: "graph", label: "Graph", short: "Graph", to: "/", icon: "graph" },
  { section: "runs", label: "Runs", short: "Runs", to: "/runs", icon: "list" },
  {
    section: "dead-letters",
    label: "Dead letters",
    short: "Dead",
    to: "/dead-letters",
    icon: "dead",
  },
  { section: "incidents", label: "Incidents", short: "Incidents", to: "/incidents", icon: "bell" },
  {
    section: "schedules",
    label: "Schedules",
    short: "Schedules",
    to: "/schedules",
    icon: "parked",
  },
  { section: "control", label: "Control", short: "Control", to: "/control", icon: "throttled" },
  { section: "quality", label: "Quality", short: "Quality", to: "/quality", icon: "anomaly" },
  { section: "services", label: "Services", short: "Services", to: "/services", icon: "split" },
  { section: "actions", label: "Audit log", short: "Audit log", to: "/actions", icon: "user" },
  {
    section: "editor",
    label: "Editor",
    short: "Editor",
    to: "/pipelines/$pipeline/editor",
    icon: "edit",
  },
];

const sections: Record<string, Section> = {
  "/": "graph",
  "/pipelines/$pipeline": "graph",
  "/pipelines/$pipeline/editor": "editor",
  "/editor": "editor",
  "/runs": "runs",
  "/runs/$run": "runs",
  "/events/$topic/$partition/$offset": "runs",
  "/trace/$id": "runs",
  "/trigger": "runs",
  "/dead-letters": "dead-letters",
  "/parked": "dead-letters",
  "/incidents": "incidents",
  "/schedules": "schedules",
  "/control": "control",
  "/quality": "quality",
  "/services": "services",
  "/actions": "actions",
};

/** The page of the navigation that the open page belongs to. */
export function useSection(): Section | undefined {
  return useMatches({ select: (matches) => sections[matches.at(-1)?.fullPath ?? ""] });
}
