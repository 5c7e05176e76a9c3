import "../styles.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { takeToken } from "../api/token.ts";
import { watchFocus } from "../lib/keep-focus.ts";
import { watchKeyboard } from "../lib/keyboard.ts";
import { watchTheme } from "../lib/theme.ts";
import { wakeWithPage } from "../live/wake.ts";
import { CrashGuard } from "../ui/crash.tsx";
import { Toaster } from "../ui/toast.tsx";
import { Gate } from "./gate.tsx";
import { router } from "./router.tsx";
import { link, queries, token } from "./server.ts";

takeToken(token); // before the router reads the address
watchTheme();
watchKeyboard();
watchFocus();
wakeWithPage(link);

const root = document.getElementById("root");
if (!root) throw new Error("the page has no #root");
createRoot(root).render(
  <StrictMode>
    <CrashGuard>
      <QueryClientProvider client={queries}>
        <Gate>
          <RouterProvider router={router} />
        </Gate>
        <Toaster />
      </QueryClientProvider>
    </CrashGuard>
  </StrictMode>,
);
