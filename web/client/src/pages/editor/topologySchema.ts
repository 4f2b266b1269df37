/** Which keys and values does the JSON Schema of topology files know, and what does it say of them? */

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  description?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema | boolean;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
}

/** A key that a mapping may have. */
export interface OfferedKey {
  key: string;
  description: string;
}

/** The schemas that a value at this path may fulfil; empty if there is no such path. */
export function schemasAt(root: Schema, path: readonly string[]): Schema[] {
  let found = alternatives(root, root);
  for (const key of path)
    found = found.flatMap((schema) => {
      const inside = schema.properties?.[key] ?? schema.additionalProperties;
      return typeof inside === "object" ? alternatives(root, inside) : [];
    });
  return found;
}

/** The keys of a mapping at this path that have a name of their own. */
export function keysAt(root: Schema, path: readonly string[]): OfferedKey[] {
  const keys = new Map<string, string>();
  for (const schema of schemasAt(root, path))
    for (const [key, inside] of Object.entries(schema.properties ?? {}))
      keys.set(key, keys.get(key) || inside.description || "");
  return [...keys].map(([key, description]) => ({ key, description }));
}

/** The words that a value at this path may be. */
export function wordsAt(root: Schema, path: readonly string[]): string[] {
  const words = schemasAt(root, path).flatMap((schema) => [
    ...(schema.enum ?? []),
    ...(schema.const === undefined ? [] : [schema.const]),
    ...([schema.type].flat().includes("boolean") ? [true, false] : []),
  ]);
  return [...new Set(words.filter((word) => word !== null).map(String))];
}

/** What a key means; empty if the schema does not say it. */
export function meaningOf(root: Schema, path: readonly string[]): string {
  const key = path.at(-1);
  if (key === undefined) return "";
  for (const schema of schemasAt(root, path.slice(0, -1))) {
    const inside = schema.properties?.[key];
    if (inside?.description) return inside.description;
  }
  return "";
}

function alternatives(root: Schema, schema: Schema): Schema[] {
  const resolved = schema.$ref ? referenced(root, schema.$ref) : undefined;
  const inner = [...(resolved ? [resolved] : []), ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  return [schema, ...inner.flatMap((one) => alternatives(root, one))];
}

function referenced(root: Schema, reference: string): Schema | undefined {
  return root.$defs?.[reference.split("/").at(-1) ?? ""];
}
