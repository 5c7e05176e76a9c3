import { useQuery } from "@tanstack/react-query";
import { History } from "lucide-react";
import type { HostEvent } from "../../api/types.ts";
import { CopyCommand } from "../../ui/action.tsx";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { StateIcon } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";
import { cli } from "../cli.ts";
import { workerHref } from "../places.ts";
import { eventsQuery } from "../queries.ts";
import { eventDetail, eventState, eventTitle } from "./words.ts";
import { useWorkerName } from "./worker-name.ts";

/** What happened lately, on the host or to one worker; new events appear on top. */
export function EventsPanel({ worker = "", title, most = 200 }: { worker?: string; title: string; most?: number }) {
  const events = useQuery(eventsQuery(worker));
  const list = events.data?.slice(0, most);
  return (
    <Panel title={title} aside={<CopyCommand command={worker ? cli("events", "--worker", worker) : cli("events")} />}>
      {list === undefined ? (
        <Awaited query={events} what="The events could not be loaded" />
      ) : list.length === 0 ? (
        <Empty icon={History} title="Nothing has happened yet">
          Starts, stops, ends of processes, upgrades and lost links are kept here.
        </Empty>
      ) : (
        <ul className="divide-y divide-line">
          {list.map((event) => (
            <EventRow key={event.seq} event={event} named={worker === ""} />
          ))}
        </ul>
      )}
    </Panel>
  );
}

function EventRow({ event, named }: { event: HostEvent; named: boolean }) {
  const name = useWorkerName();
  const detail = eventDetail(event);
  const title = eventTitle(event);
  return (
    <li className="flex items-start gap-2.5 px-3 py-2">
      <span className="mt-1">
        <StateIcon state={eventState(event)} />
      </span>
      <div className="min-w-0 flex-1 gap-x-4 lg:flex">
        <p className="lg:w-2/5 lg:shrink-0">
          {named && event.workerId && (
            <>
              <a className="font-medium hover:underline" href={workerHref(event.workerId, "events")}>
                <bdi>{name(event.workerId)}</bdi>
              </a>
              {/^\p{Lu}/u.test(title) ? ": " : " "}
            </>
          )}
          {title}
        </p>
        {detail && <p className="line-clamp-4 min-w-0 text-sm text-muted lg:line-clamp-2 lg:pt-px">{detail}</p>}
      </div>
      <Ago at={event.at} className="shrink-0 text-sm text-muted" />
    </li>
  );
}
