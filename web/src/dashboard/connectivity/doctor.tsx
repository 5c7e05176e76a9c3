import { Command } from "../../ui/copy.tsx";
import { Panel } from "../../ui/panel.tsx";
import { cli } from "../cli.ts";

export function Doctor(_: { frozen: boolean }) {
  return (
    <Panel title="What is in the way">
      <div className="p-3">
        <Command text={cli("connectivity", "--check")} />
      </div>
    </Panel>
  );
}
