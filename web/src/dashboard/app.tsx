import { KeyRound } from "lucide-react";
import { Command } from "../ui/copy.tsx";
import { useLink } from "../ui/link-banner.tsx";
import { link, token } from "./daemon.ts";
import { Shell } from "./shell.tsx";

export function App() {
  const { phase } = useLink(link);
  if (token.get() === null || phase === "unauthorized") return <NoToken expired={phase === "unauthorized"} />;
  return <Shell />;
}

/** The page is not secret, what it shows is. Without a token there is one thing to do. */
function NoToken({ expired }: { expired: boolean }) {
  return (
    <main className="mx-auto grid min-h-dvh max-w-lg content-center px-4 py-10">
      <div className="card p-6">
        <span className="tone-live tint mb-4 grid size-11 place-items-center rounded-full border">
          <KeyRound aria-hidden className="size-5" />
        </span>
        <h1 className="text-xl font-semibold">
          {expired ? "This link is no longer valid" : "This page needs its link"}
        </h1>
        <p className="mt-2 mb-4 text-muted">
          {expired
            ? "The daemon does not take the token of this tab any more. "
            : "The dashboard of this host opens with a token that this tab does not have. "}
          Print a fresh link on the host and open it:
        </p>
        <Command text="pipedai-orchestrator dashboard" />
        <p className="mt-4 text-sm text-muted">
          With <code className="font-mono">--open</code> it goes to the browser by itself. The token stays in this tab
          and is taken out of the address bar.
        </p>
      </div>
    </main>
  );
}
