import { KeyRound } from "lucide-react";
import type { FormEvent } from "react";
import { Button } from "../ui/button.tsx";
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
        {window.location.hash.length > 2 && <PasteLink />}
      </div>
    </main>
  );
}

/** Whoever was sent the address of a worker or of some lines would lose it by opening another link. */
function PasteLink() {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get("link")).trim();
    const given = /[?&]token=([^&#\s]+)/.exec(text)?.[1] ?? encodeURIComponent(text);
    if (given !== "") window.location.replace(`/?token=${given}${window.location.hash}`);
  };
  return (
    <form onSubmit={submit} className="mt-4 border-t border-line pt-4">
      <label htmlFor="link" className="font-medium">
        To stay at this address, paste the link here
      </label>
      <span className="mt-1.5 flex gap-2">
        <input id="link" name="link" required autoComplete="off" spellCheck={false} className="field min-w-0 flex-1" />
        <Button type="submit">Open</Button>
      </span>
    </form>
  );
}
