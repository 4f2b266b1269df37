const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

(async () => {
  const found = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
  const read = found.document?.channels().length ?? null;
  console.log(JSON.stringify({ channels: read, diagnostics: found.diagnostics }));
})();
