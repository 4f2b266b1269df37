// Prints, for each object of a List, what the published models of its kind object to. It must lie
// beside the folder node_modules.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import * as keda from "@kubernetes-models/keda/keda.sh/v1alpha1";
import * as prometheus from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const groups = { "keda.sh/v1alpha1": keda, "monitoring.coreos.com/v1": prometheus };
const texts = {
  "keda.sh/v1alpha1": typeText("@kubernetes-models/keda/keda.sh/v1alpha1"),
  "monitoring.coreos.com/v1": typeText("@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1"),
};

function typeText(name) {
  const folder = join(import.meta.dirname, "node_modules", name);
  const files = readdirSync(folder).filter((file) => file.endsWith(".d.ts"));
  return files.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
}

// The models let unknown fields pass: each must at least be a field of some type of the group.
function unknownFields(part, text) {
  if (Array.isArray(part)) return part.flatMap((inner) => unknownFields(inner, text));
  if (part === null || typeof part !== "object") return [];
  return Object.entries(part).flatMap(([name, inner]) => [
    ...(new RegExp(`"${name}"\\??:`).test(text) ? [] : [`no field ${name}`]),
    // A map, and a type of Kubernetes itself.
    ...(name === "metadata" || name === "selector" ? [] : unknownFields(inner, text)),
  ]);
}

const said = JSON.parse(readFileSync(process.argv[2], "utf8")).items.map((object) => {
  const Model = groups[object.apiVersion][object.kind];
  try {
    new Model(object).validate();
  } catch (error) {
    return [error.message];
  }
  return unknownFields(object.spec, texts[object.apiVersion]);
});
console.log(JSON.stringify(said));
