import { useMutation } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { count } from "../lib/format.ts";
import { saveFile } from "../lib/save.ts";
import { type Column, csvOf, ndjsonOf } from "../lib/table-file.ts";
import { localZone, zonePreference } from "../lib/zone.ts";
import { Menu } from "../ui/menu.tsx";
import { toast, toastError } from "../ui/toast.tsx";

/** No file has more rows. */
export const mostRows = 10_000;

interface Props<Row> {
  /** What is in the file: "runs". */
  of: string;
  /** Reads the rows that the list is of, all its pages, up to mostRows; and whether there are more. */
  read: () => Promise<{ rows: Row[]; more: boolean }>;
  /** Times are in the zone, whose name each such column has. */
  columns: (zone: string, zoneName: string) => Column<Row>[];
}

/** Takes what the filters admit along as a file, not only the page that is shown. */
export function DownloadMenu<Row>({ of, read, columns }: Props<Row>) {
  const zone = zonePreference.use();
  const taken = useMutation({
    mutationFn: async (kind: "csv" | "ndjson") => {
      const { rows, more } = await read();
      const text = kind === "csv" ? csvOf(rows, columns(zone, zone === "local" ? localZone() : zone)) : ndjsonOf(rows);
      saveFile(`${of}.${kind}`, text);
      return { rows: rows.length, more, kind };
    },
    onSuccess: ({ rows, more, kind }) =>
      toast(
        more ? "info" : "ok",
        `${of}.${kind} has ${count(rows, "row")}`,
        more ? `There are more than ${mostRows.toLocaleString("en")}: narrow the filter.` : undefined,
      ),
    onError: (error) => toastError(`The ${of} could not be downloaded`, error),
  });
  return (
    <Menu
      label={taken.isPending ? `Reading the ${of}` : `Download the ${of}`}
      icon={Download}
      disabled={taken.isPending}
      items={[
        { label: "As CSV", note: "times in the zone you chose", run: () => taken.mutate("csv") },
        { label: "As NDJSON", note: "every field, times in UTC", run: () => taken.mutate("ndjson") },
      ]}
    />
  );
}
