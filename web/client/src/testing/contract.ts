/** Would the API take this body? By openapi.json, as the server would refuse it; for tests. */

import openapi from "../../../openapi.json";

interface BodySchema {
  properties?: Record<string, unknown>;
  required?: string[];
  additionalProperties?: unknown;
}

const schemas = openapi.components.schemas as Record<string, BodySchema>;

/** What of a request the API refuses; empty if it takes it, or does not know the path. */
export function refusedFields(method: string, path: string, body: unknown): string[] {
  const schema = bodySchema(method.toLowerCase(), path);
  if (!schema || typeof body !== "object" || body === null) return [];
  const names = Object.keys(body);
  const more = schema.additionalProperties === false ? Object.keys(schema.properties ?? {}) : names;
  return [
    ...names.filter((name) => !more.includes(name)).map((name) => `${name} is not permitted`),
    ...(schema.required ?? [])
      .filter((name) => !names.includes(name))
      .map((name) => `${name} is missing`),
  ];
}

function bodySchema(method: string, path: string): BodySchema | undefined {
  const known = Object.entries(openapi.paths as Record<string, Record<string, unknown>>)
    .filter(([template]) => matches(template, path))
    .sort(([one], [other]) => one.split("{").length - other.split("{").length)[0]?.[1];
  const operation = known?.[method] as
    | { requestBody?: { content: Record<string, { schema: { $ref?: string } }> } }
    | undefined;
  const reference = operation?.requestBody?.content["application/json"]?.schema.$ref;
  return reference === undefined ? undefined : schemas[reference.split("/").at(-1) ?? ""];
}

function matches(template: string, path: string): boolean {
  const steps = template.split("/");
  const given = path.split("/");
  return (
    steps.length === given.length &&
    steps.every((step, index) => step.startsWith("{") || step === given[index])
  );
}
