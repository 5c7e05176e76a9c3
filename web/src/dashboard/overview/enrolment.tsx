import { Ban, Hourglass, Plug } from "lucide-react";
import type { ReactNode } from "react";
import type { FusedWorker, SelfStatus } from "../../api/types.ts";
import { count, instant } from "../../lib/format.ts";
import { Command, CopyButton } from "../../ui/copy.tsx";
import { Ago, Until } from "../../ui/time.tsx";
import { cli } from "../cli.ts";

type EnrolmentState = "connected" | "none" | "pending" | "revoked";

/** How the host stands to control planes, as far as it fills the page. */
export function enrolment(self: SelfStatus, workers: FusedWorker[] | undefined): EnrolmentState {
  const planes = (self.controlPlanes ?? []).filter((p) => !p.pool);
  const alone = planes.length === 0 && (workers ?? []).length === 0;
  // While others still trust the host, one that does not is a line among what needs attention.
  if (planes.length > 0 && planes.every((p) => p.revokedAt)) return self.pairing ? "pending" : "revoked";
  if (self.pairing && alone) return "pending";
  return alone && self.state === "needs_login" ? "none" : "connected";
}

interface Props {
  state: Exclude<EnrolmentState, "connected">;
  self: SelfStatus;
  workers: number;
}

/** Not connected, waiting for an approval, or revoked: what it is, and the one thing to do. It goes away by itself. */
export function Enrolment({ state, self, workers }: Props) {
  if (state === "pending") return <Pending self={self} />;
  return state === "revoked" ? <Revoked self={self} workers={workers} /> : <NotConnected self={self} />;
}

function Page({
  tone,
  icon: Icon,
  title,
  children,
}: {
  tone: string;
  icon: typeof Ban;
  title: string;
  children: ReactNode;
}) {
  return (
    <section aria-label={title} className="card grid min-h-[50dvh] grid-cols-[minmax(0,1fr)] content-center px-4 py-10">
      <div className="mx-auto w-full max-w-2xl space-y-4">
        <span className={`${tone} tint grid size-12 place-items-center rounded-full border`}>
          <Icon aria-hidden className="size-6" />
        </span>
        <h2 className="text-2xl font-semibold">{title}</h2>
        {children}
      </div>
    </section>
  );
}

function NotConnected({ self }: { self: SelfStatus }) {
  const told = (self.health ?? []).find((h) => h.code === "not_connected")?.command;
  const command = told?.replace("<url>", "https://api.example.com");
  return (
    <Page tone="tone-run" icon={Plug} title="This host is not connected">
      <p className="text-muted">
        Connect it to a control plane, with that one's address. The command prints a code and waits until somebody who
        operates the control plane approves it; this page then shows the host by itself.
      </p>
      <Command text={command ?? cli("connect", "--api-url", "https://api.example.com")} />
      <Shared />
    </Page>
  );
}

/** What the other end learns, before anybody decides. */
function Shared() {
  return (
    <div className="grid gap-x-6 gap-y-3 border-t border-line pt-4 text-sm sm:grid-cols-2">
      <div>
        <h3 className="font-semibold">The host tells the control plane</h3>
        <ul className="list-disc space-y-0.5 pt-1 pl-4 text-muted">
          <li>the name of this host, its system with its version, and its processor</li>
          <li>the version of the daemon, what it can be told to do, and its clock</li>
          <li>its workers: labels, versions, and whether they work</li>
          <li>what runs take in and give back, and what their tasks tell of themselves</li>
        </ul>
      </div>
      <div>
        <h3 className="font-semibold">It does not tell</h3>
        <ul className="list-disc space-y-0.5 pt-1 pl-4 text-muted">
          <li>the environment of workers and the secrets in it</li>
          <li>the token of this page</li>
          <li>what else runs here, other files, other users</li>
        </ul>
        <p className="pt-2 text-muted">Whoever operates it can run the code of its pipelines on this host.</p>
      </div>
    </div>
  );
}

function Pending({ self }: { self: SelfStatus }) {
  const pairing = self.pairing;
  if (!pairing) return null;
  const until = instant(pairing.expiresAt);
  return (
    <Page tone="tone-warn" icon={Hourglass} title={`Waiting for somebody to approve ${self.hostname}`}>
      <p className="text-muted">
        Open this address as somebody who operates the control plane, compare the code, and approve. The page goes on by
        itself.
      </p>
      <div className="flex flex-wrap items-start gap-x-6 gap-y-4">
        <div className="min-w-0 flex-1 basis-64 space-y-4">
          <p className="flex flex-wrap items-center gap-2">
            <code className="rounded-md border border-line bg-sunken px-4 py-2 font-mono text-2xl font-semibold tracking-widest">
              {pairing.userCode}
            </code>
            <CopyButton text={pairing.userCode} label="Copy the code" />
          </p>
          <p className="flex items-center gap-1">
            <SafeLink url={pairing.verificationUri} />
            <CopyButton text={pairing.verificationUri} label="Copy the address" />
          </p>
          <p className="text-sm text-muted">
            At {pairing.apiUrl}
            {until !== null && (
              <>
                ; the code expires <Until at={until} />. A new one: run the command again.
              </>
            )}
          </p>
        </div>
        <QRCode rows={pairing.qr ?? []} what={pairing.verificationUri} />
      </div>
      <Shared />
    </Page>
  );
}

/** The address for a telephone. It is dark on light in both themes: readers want it so. */
function QRCode({ rows, what }: { rows: string[]; what: string }) {
  const size = rows.length;
  if (size === 0) return null;
  const dark = rows.flatMap((row, y) => [...row].flatMap((c, x) => (c === "#" ? [`M${x} ${y}h1v1h-1z`] : [])));
  return (
    <figure className="w-36 shrink-0 max-sm:hidden">
      <svg
        role="img"
        aria-label={`QR code of ${what}`}
        viewBox={`-3 -3 ${size + 6} ${size + 6}`}
        shapeRendering="crispEdges"
        className="w-full rounded-md border border-line bg-white text-black"
      >
        <path d={dark.join("")} fill="currentColor" />
      </svg>
      <figcaption className="pt-1 text-center text-xs text-muted">The address, without the code</figcaption>
    </figure>
  );
}

/** What a server says is an address is followed only when it is one of the web. */
function SafeLink({ url }: { url: string }) {
  if (!/^https?:\/\//i.test(url)) return <code className="font-mono text-sm">{url}</code>;
  return (
    <a className="link min-w-0 truncate font-mono" href={url} target="_blank" rel="noopener noreferrer">
      {url}
    </a>
  );
}

function Revoked({ self, workers }: { self: SelfStatus; workers: number }) {
  const planes = (self.controlPlanes ?? []).filter((p) => p.revokedAt);
  const items = (self.health ?? []).filter((h) => h.code === "host_revoked");
  return (
    <Page
      tone="tone-bad"
      icon={Ban}
      title={planes.length === 1 ? "The control plane revoked this host" : "The control planes revoked this host"}
    >
      <ul className="space-y-1">
        {planes.map((p) => (
          <li key={`${p.apiUrl} ${p.workspaceId ?? ""}`}>
            <span className="font-mono text-sm">{p.apiUrl}</span>{" "}
            <span className="text-muted">
              noticed <Ago at={p.revokedAt} />
            </span>
          </li>
        ))}
      </ul>
      <p className="text-muted">
        {workers === 0 ? "" : `${count(workers, "worker")} of this host: `}
        workers get no more work, and are stopped. A run in hand is finished first, unless the host was set up to end it
        (<code className="font-mono text-sm">whenRevoked</code>). The credential of the host is wiped. Logs and settings
        stay.
      </p>
      <p>If those who operate it agree, connect again:</p>
      {items.length === 0 && planes[0] && <Command text={cli("connect", "--api-url", planes[0].apiUrl)} />}
      {items.map((item) => item.command && <Command key={item.command} text={item.command} />)}
    </Page>
  );
}
