import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { HostSetting } from "../../api/types.ts";
import { none } from "../../lib/format.ts";
import { CopyCommand } from "../../ui/action.tsx";
import { Command, CopyButton } from "../../ui/copy.tsx";
import { CheckField } from "../../ui/field.tsx";
import { Awaited, Panel } from "../../ui/panel.tsx";
import { TableHead } from "../../ui/table.tsx";
import { cli } from "../cli.ts";
import { configQuery } from "../queries.ts";

/** What the daemon was started with, and where each value comes from. It is changed from a shell. */
export function DaemonSettings() {
  const config = useQuery(configQuery);
  const [own, setOwn] = useState(false);
  const all = config.data?.items ?? [];
  const shown = own ? all.filter((s) => s.origin !== "default") : all;
  return (
    <Panel
      title="The daemon"
      aside={
        <span className="flex items-center gap-3 text-sm">
          <CheckField label="Only what was chosen" checked={own} onChange={(e) => setOwn(e.target.checked)} />
          <CopyCommand command={cli("config", "show", "--origin")} />
        </span>
      }
    >
      {config.data === undefined ? (
        <Awaited query={config} what="The settings could not be loaded" />
      ) : (
        <>
          <div className="space-y-1.5 border-b border-line p-3 text-sm text-muted">
            <p>
              A change takes effect when the daemon starts again; workers keep running. Its file:{" "}
              <code className="font-mono">{config.data.file}</code>
              <CopyButton text={config.data.file} label="Copy the path of the file" className="align-middle" />
            </p>
            <Command text={`${cli("config", "set", "stopGrace", "30m")} && ${cli("restart")}`} />
          </div>
          {shown.length === 0 ? (
            <p className="p-3 text-muted">Everything is as it comes.</p>
          ) : (
            <table className="data stack">
              <TableHead columns={["Setting", "Value", "From"]} />
              <tbody>
                {shown.map((setting) => (
                  <Row key={setting.key} setting={setting} />
                ))}
              </tbody>
            </table>
          )}
        </>
      )}
    </Panel>
  );
}

function Row({ setting }: { setting: HostSetting }) {
  return (
    <tr>
      <td className="lead sm:w-3/5">
        <code className="font-mono font-medium">{setting.key}</code>
        <div className="text-sm text-muted">{setting.usage}</div>
      </td>
      <td data-label="Value">
        <code className="font-mono text-sm">{setting.value || none}</code>
      </td>
      <td data-label="From" className={setting.origin === "default" ? "text-muted" : ""}>
        {setting.origin}
      </td>
    </tr>
  );
}
