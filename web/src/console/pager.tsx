import { ChevronLeft, ChevronRight } from "lucide-react";
import { Button } from "../ui/button.tsx";

interface Props {
  /** What is on the pages: "runs". */
  of: string;
  page: number;
  size: number;
  total: number;
  onPage: (page: number) => void;
  earlier?: string;
  later?: string;
}

/** Goes from page to page of a long list; nothing where there is one page only. */
export function Pages({ of, page, size, total, onPage, earlier = "Newer", later = "Older" }: Props) {
  if (total <= size && page === 1) return null;
  const pages = Math.max(1, Math.ceil(total / size));
  return (
    <nav aria-label={`Pages of ${of}`} className="flex items-center justify-between gap-3">
      <Button size="sm" icon={ChevronLeft} disabled={page <= 1} onClick={() => onPage(page - 1)}>
        {earlier}
      </Button>
      <p className="text-sm text-muted tabular-nums">
        {Math.min(total, (page - 1) * size + 1)} to {Math.min(total, page * size)} of {total}
      </p>
      <Button size="sm" disabled={page >= pages} onClick={() => onPage(page + 1)}>
        {later}
        <ChevronRight aria-hidden className="size-4" />
      </Button>
    </nav>
  );
}
