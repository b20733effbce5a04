/** As much of a JSON Schema as ours have: no references, no conditions. */
export interface JsonSchema {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly required?: readonly string[];
  readonly items?: JsonSchema | boolean;
}

/** A value that a schema has to refuse. */
export interface Mutant {
  readonly what: string;
  readonly value: unknown;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a value may be here, of the alternatives those that know its keys and whose constant keys fit it. */
function alternatives(schema: JsonSchema, value: unknown): readonly JsonSchema[] {
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return several.flatMap((one) => alternatives(one, value));
  if (!isObject(value)) return [schema];
  const { properties = {}, additionalProperties } = schema;
  for (const [key, { const: wanted }] of Object.entries(properties))
    if (wanted !== undefined && value[key] !== wanted) return [];
  const strange = additionalProperties === false && Object.keys(value).some((key) => !(key in properties));
  return strange ? [] : [schema];
}

/** Whether a schema says nothing of what is in there. */
const isOpen = (schema: JsonSchema) =>
  schema.type === undefined && schema.const === undefined && !('enum' in schema);

/** The same with no more than three items in each array: the first, the middle and the last. */
export function thinned(value: unknown): unknown {
  if (Array.isArray(value)) {
    const at = [...new Set([0, value.length >> 1, value.length - 1])].filter((n) => n in value);
    return at.map((n) => thinned(value[n]));
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, thinned(inner)]));
}

/**
 * Every value that differs from a valid one in a single place in which the schema says what belongs there: a key that
 * is missing, and a value of another type.
 */
export function* mutants(schema: JsonSchema, value: unknown, path = ''): Generator<Mutant, void, void> {
  const all = alternatives(schema, value);
  if (all.some(isOpen)) return;
  if (path !== '') yield { what: `${path} of another type`, value: isObject(value) ? 'x' : { x: [] } };
  if (Array.isArray(value)) {
    const items = all.map((one) => one.items).filter((one) => typeof one === 'object');
    for (const [at, item] of items.length === 0 ? [] : value.entries())
      for (const { what, value: changed } of mutants({ anyOf: items }, item, `${path}/${at}`))
        yield { what, value: value.with(at, changed) };
  }
  if (!isObject(value)) return;
  const objects = all.filter(({ type }) => type === 'object');
  for (const [key, inner] of Object.entries(value)) {
    const { [key]: _, ...rest } = value;
    if (objects.every(({ required }) => required?.includes(key)))
      yield { what: `${path}/${key} missing`, value: rest };
    const below = objects.map((one) => one.properties?.[key] ?? one.additionalProperties);
    if (!below.every((one) => typeof one === 'object')) continue;
    for (const { what, value: changed } of mutants({ anyOf: below }, inner, `${path}/${key}`))
      yield { what, value: { ...value, [key]: changed } };
  }
}
