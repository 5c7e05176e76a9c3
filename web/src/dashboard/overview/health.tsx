import type { HealthItem } from "../../api/types.ts";
import { Command } from "../../ui/copy.tsx";
import { lookOf, StateIcon } from "../../ui/state.tsx";

/** What needs attention, with what helps. Nothing when all is well. */
export function Health({ items }: { items: HealthItem[] }) {
  if (items.length === 0) return null;
  return (
    <section aria-label="Needs attention" className="space-y-2">
      {items.map((item) => (
        <div
          key={item.code + item.message}
          className={`tone-${lookOf(item.severity).tone} card flex items-start gap-2.5 p-3`}
        >
          <span className="mt-0.5">
            <StateIcon state={item.severity} />
          </span>
          <div className="min-w-0 flex-1 space-y-1.5">
            <p>
              <span className="tone-text font-semibold">{lookOf(item.severity).label}. </span>
              {item.message}
            </p>
            {item.fix && <p className="text-sm text-muted">{item.fix}</p>}
            {item.command && <Command text={item.command} />}
          </div>
        </div>
      ))}
    </section>
  );
}
