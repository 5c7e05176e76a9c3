import { useQuery } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useMemo, useState } from "react";
import { bytes } from "../lib/format.ts";
import { prettyJSON } from "../lib/json.ts";
import { saveFile } from "../lib/save.ts";
import { IconButton } from "../ui/button.tsx";
import { CopyButton } from "../ui/copy.tsx";
import { Failure, Loading, Panel } from "../ui/panel.tsx";
import { toastError } from "../ui/toast.tsx";
import { objectQuery, objectURL } from "./queries/objects.ts";
import { bytesOf } from "./queries/storage.ts";
import { client } from "./server.ts";

/** A stored object in a panel of its own, which loads and fails by itself. */
export function ObjectPanel({ title, path, absent }: { title: string; path: string | undefined; absent: string }) {
  return (
    <Panel title={title} aside={path ? <ObjectActions path={path} /> : null}>
      {path ? <ObjectBody path={path} label={title} /> : <p className="p-4 text-muted">{absent}</p>}
    </Panel>
  );
}

function ObjectActions({ path }: { path: string }) {
  const object = useQuery(objectQuery(path));
  return (
    <span className="flex items-center">
      <DownloadButton path={path} />
      {object.data && !object.data.cut && <CopyButton text={shownText(object.data)} label="Copy content" />}
    </span>
  );
}

/** JSON is laid out; everything else, and JSON that was cut, is shown as it is. */
function shownText(object: { text: string; cut: boolean }): string {
  return (object.cut ? null : prettyJSON(object.text)) ?? object.text;
}

export function ObjectBody({ path, label }: { path: string; label: string }) {
  const object = useQuery(objectQuery(path));
  const text = useMemo(() => object.data && shownText(object.data), [object.data]);
  if (object.data) {
    return (
      <>
        <section
          aria-label={`Content of ${label}`}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
          tabIndex={0}
          className="max-h-80 overflow-auto bg-bg p-3 -outline-offset-2"
        >
          <pre className="font-mono text-sm whitespace-pre-wrap">{text || "(empty)"}</pre>
        </section>
        {object.data.cut && (
          <p className="border-t border-line px-3 py-1.5 text-sm text-muted">
            Only the beginning is shown. Download it for the rest.
          </p>
        )}
      </>
    );
  }
  if (object.isError)
    return <Failure what={`${label} could not be loaded`} error={object.error} retry={() => void object.refetch()} />;
  return <Loading lines={2} />;
}

/** A plain link cannot carry the token, so the bytes are fetched and then saved. */
export function DownloadButton({ path, size, backend }: { path: string; size?: number; backend?: string | undefined }) {
  const [busy, setBusy] = useState(false);
  const name = path.split("/").at(-1) ?? "object";
  return (
    <IconButton
      icon={Download}
      label={`Download ${name}${size === undefined ? "" : ` (${bytes(size)})`}`}
      disabled={busy}
      onClick={async () => {
        setBusy(true);
        try {
          saveFile(name, await client.blob(backend ? bytesOf(path, backend) : objectURL(path)));
        } catch (cause) {
          toastError(`${name} could not be downloaded`, cause);
        } finally {
          setBusy(false);
        }
      }}
    />
  );
}
