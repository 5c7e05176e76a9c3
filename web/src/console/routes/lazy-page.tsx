import { type LazyExoticComponent, lazy, type ReactNode } from "react";

type Page = () => ReactNode;

/**
 * A page whose code is fetched when somebody first goes to it, or is about to. Where that fails, the router shows its error
 * component, which knows a build that is gone from a server that is.
 *
 * Only the name is checked, not that a page goes by it: the types of pages hang on those of the routes, which are being made.
 */
export function lazyPage<Module extends object>(
  load: () => Promise<Module>,
  name: keyof Module,
): Page & { preload: () => Promise<void> } {
  const Loaded: LazyExoticComponent<Page> = lazy(async () => {
    const module = await load();
    return { default: module[name] as Page };
  });
  return Object.assign(() => <Loaded />, {
    preload: async () => {
      await load();
    },
  });
}
