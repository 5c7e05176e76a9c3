import "../styles.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { takeToken } from "../api/token.ts";
import { watchFocus } from "../lib/keep-focus.ts";
import { watchKeyboard } from "../lib/keyboard.ts";
import { watchTheme } from "../lib/theme.ts";
import { wakeWithPage } from "../live/wake.ts";
import { CrashGuard } from "../ui/crash.tsx";
import { Toaster } from "../ui/toast.tsx";
import { App } from "./app.tsx";
import { link, queries, token } from "./daemon.ts";

takeToken(token);
watchTheme();
watchKeyboard();
watchFocus();
if (token.get() !== null) link.start();
wakeWithPage(link);

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");
createRoot(root).render(
  <StrictMode>
    <CrashGuard>
      <QueryClientProvider client={queries}>
        <App />
        <Toaster />
      </QueryClientProvider>
    </CrashGuard>
  </StrictMode>,
);
