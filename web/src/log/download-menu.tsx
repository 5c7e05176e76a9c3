import { Download } from "lucide-react";
import { useState } from "react";
import { saveFile } from "../lib/save.ts";
import { Menu } from "../ui/menu.tsx";
import { toast, toastError } from "../ui/toast.tsx";
import type { Line, LogFilter, LogForm, LogSource } from "./source.ts";

interface Props {
  source: LogSource;
  /** What decides about the lines that are shown; null: all are. */
  filter: LogFilter | null;
  /** What the page holds. */
  lines: readonly Line[];
}

const endings: Record<LogForm, string> = { text: ".log", ndjson: ".ndjson" };
const forms: [LogForm, string][] = [
  ["text", "text"],
  ["ndjson", "JSON lines"],
];

/** Saves the log as a file: all of it, the lines that fit, or those that are on the page. */
export function DownloadMenu({ source, filter, lines }: Props) {
  const [busy, setBusy] = useState(false);
  const fetchAll = async (wanted: LogFilter, form: LogForm) => {
    setBusy(true);
    toast("info", "The log is being fetched", "It is saved when all of it is there.");
    try {
      saveFile(source.file + endings[form], await source.download(wanted, form));
    } catch (cause) {
      toastError("The download failed", cause);
    }
    setBusy(false);
  };
  return (
    <Menu
      icon={Download}
      label="Download"
      disabled={busy}
      items={[
        ...forms.map(([form, name]) => ({
          label: `All lines, as ${name}`,
          run: () => void fetchAll({}, form),
        })),
        ...(filter
          ? forms.map(([form, name]) => ({
              label: `All lines that fit, as ${name}`,
              run: () => void fetchAll(filter, form),
            }))
          : []),
        ...forms.map(([form, name]) => ({
          label: `The lines on this page, as ${name}`, // no number: it would change under the pointer
          disabled: lines.length === 0,
          run: () => saveFile(`${source.file}-part${endings[form]}`, write(lines, form)),
        })),
      ]}
    />
  );
}

/** Lines as the servers write them. */
export function write(lines: readonly Line[], form: LogForm): string {
  const stamp = (at: number | null) => (at === null ? null : new Date(at).toISOString());
  return lines
    .map((l) =>
      form === "text"
        ? `${[stamp(l.at), l.mark, l.text].filter((part) => part !== null).join(" ")}\n`
        : `${JSON.stringify({ pos: l.pos, at: stamp(l.at), mark: l.mark, text: l.text })}\n`,
    )
    .join("");
}
