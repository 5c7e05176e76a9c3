import { useQuery } from "@tanstack/react-query";
import { CopyButton } from "../../ui/copy.tsx";
import { Awaited, Facts, Panel } from "../../ui/panel.tsx";
import { PreferenceFields } from "../../ui/preferences.tsx";
import { At } from "../../ui/time.tsx";
import { selfQuery } from "../queries.ts";
import { DaemonSettings } from "./daemon-settings.tsx";

/** How this page shows things, and what the daemon was set up with. */
export function Settings() {
  const self = useQuery(selfQuery);
  return (
    <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-[22rem_minmax(0,1fr)]">
      <h1 className="sr-only">Settings</h1>
      <div className="min-w-0 space-y-4">
        <Panel title="This page">
          <div className="p-3">
            <PreferenceFields />
          </div>
        </Panel>
        <Panel title="About">
          {self.data ? (
            <Facts
              className="p-3"
              items={[
                ["Daemon", `${self.data.version} (build ${self.data.build})`],
                ["Process", `${self.data.pid}`],
                ["Started", <At key="s" at={self.data.startedAt} />],
                [
                  "Folder",
                  <span key="f" className="inline-flex max-w-full items-center gap-0.5">
                    <code className="truncate font-mono text-sm" title={self.data.home}>
                      {self.data.home}
                    </code>
                    <CopyButton text={self.data.home} label="Copy the folder" />
                  </span>,
                ],
                ["Page", window.location.origin],
              ]}
            />
          ) : (
            <Awaited query={self} what="The daemon could not be asked" />
          )}
        </Panel>
      </div>
      <DaemonSettings />
    </div>
  );
}
