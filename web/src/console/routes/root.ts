import { createRootRoute } from "@tanstack/react-router";
import { NotFound, Shell } from "../shell.tsx";

export const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });
