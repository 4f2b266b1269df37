import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv, type Plugin } from "vite";

// What only some pages need, each in a chunk of its own that loads with the page.
const chunks = [
  { name: "react", test: /node_modules\/(react|react-dom|scheduler|use-sync-external-store)\// },
  {
    name: "codemirror",
    test: /node_modules\/(@codemirror\/(commands|lang-json|language|lint|state|view)|@lezer\/(common|highlight|json|lr)|@marijn|crelt|style-mod|w3c-keyname)\//,
  },
  // The field for JSON needs none of it.
  { name: "yaml-editor", test: /node_modules\/(@codemirror|@lezer)\// },
  { name: "dagre", test: /node_modules\/@dagrejs\// },
  { name: "exact-json", test: /node_modules\/lossless-json\// },
  { name: "tanstack", test: /node_modules\/@tanstack\/(?!(react-virtual|virtual-core)\/)/ },
  // What at least three pages need; in one piece it is compressed better than in thirty.
  {
    name: "shared",
    test: /src\/(?!ui\/(DataTable|Menu|Dialog|DeedDialog)|forms\/)/,
    minShareCount: 3,
    includeDependenciesRecursively: false,
  },
];

/** In development pages are served at any depth, and the base is the root. */
function baseInDevelopment(): Plugin {
  return {
    name: "base-in-development",
    apply: "serve",
    transformIndexHtml: (html) =>
      html.replace('name="base" content="./"', 'name="base" content="/"'),
  };
}

export default defineConfig(({ mode }) => ({
  base: "./",
  plugins: [react(), baseInDevelopment()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2023",
    // The server sends a policy without data: URLs for fonts and images.
    assetsInlineLimit: 0,
    rolldownOptions: { output: { codeSplitting: { groups: chunks } } },
  },
  worker: { format: "es" },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": loadEnv(mode, ".", "FARANDOLE_").FARANDOLE_WEB ?? "http://127.0.0.1:8800" },
  },
}));
