const { readFileSync } = require("node:fs");
const { Parser } = require("@asyncapi/parser");

(async () => {
  const parser = new Parser();
  const said = {};
  for (const [name, document] of Object.entries(JSON.parse(readFileSync(process.argv[2], "utf8")))) {
    const found = await parser.parse(document);
    const read = found.document?.channels().length ?? null;
    said[name] = { channels: read, diagnostics: found.diagnostics };
  }
  console.log(JSON.stringify(said));
})();
