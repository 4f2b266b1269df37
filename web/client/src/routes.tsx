/** Which address shows which page? */

import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type RouterHistory,
} from "@tanstack/react-router";
import { Layout } from "./layout/Layout";
import { NotFound, PageFault } from "./layout/PageFault";
import { formatSearch, parseSearch, type Search } from "./navigation/search";
import { Loading } from "./ui/PageStates";

const root = createRootRoute({
  component: Layout,
  notFoundComponent: NotFound,
  validateSearch: (search): Search => search as Search,
});

const routeTree = root.addChildren([
  createRoute({
    getParentRoute: () => root,
    path: "/",
    component: lazyRouteComponent(() => import("./pages/pipelines")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/pipelines/$pipeline",
    component: lazyRouteComponent(() => import("./pages/graph")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/pipelines/$pipeline/editor",
    component: lazyRouteComponent(() => import("./pages/editor")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/editor",
    component: lazyRouteComponent(() => import("./pages/chosen-editor")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/runs",
    component: lazyRouteComponent(() => import("./pages/runs")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/runs/$run",
    component: lazyRouteComponent(() => import("./pages/run")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/events/$topic/$partition/$offset",
    component: lazyRouteComponent(() => import("./pages/event")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/trace/$id",
    component: lazyRouteComponent(() => import("./pages/trace")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/trigger",
    component: lazyRouteComponent(() => import("./pages/trigger")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/dead-letters",
    component: lazyRouteComponent(() => import("./pages/dead-letters")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/parked",
    component: lazyRouteComponent(() => import("./pages/parked")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/incidents",
    component: lazyRouteComponent(() => import("./pages/incidents")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/schedules",
    component: lazyRouteComponent(() => import("./pages/schedules")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/control",
    component: lazyRouteComponent(() => import("./pages/control")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/quality",
    component: lazyRouteComponent(() => import("./pages/quality")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/services",
    component: lazyRouteComponent(() => import("./pages/services")),
  }),
  createRoute({
    getParentRoute: () => root,
    path: "/actions",
    component: lazyRouteComponent(() => import("./pages/actions")),
  }),
]);

/** The router of the console below `basepath`; tests give it a history of their own. */
export function createConsoleRouter(basepath: string, history?: RouterHistory) {
  return createRouter({
    routeTree,
    basepath,
    parseSearch,
    stringifySearch: formatSearch,
    defaultPreload: "intent",
    defaultPendingComponent: Loading,
    defaultPendingMs: 200,
    defaultErrorComponent: PageFault,
    scrollRestoration: true,
    ...(history ? { history } : {}),
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>;
  }
}
