import { z } from 'zod';

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const COMPONENTS = '#/components/schemas/';

/** JSON schemas out of zod's for one document, with what has a name kept once under its `components`. */
export class JsonSchemas {
  readonly named: Record<string, unknown> = {};
  readonly #target: 'draft-2020-12' | 'draft-7';
  /** Each is converted once: a document asks for the schema of problems hundreds of times. */
  readonly #converted = { input: new Map<z.ZodType, unknown>(), output: new Map<z.ZodType, unknown>() };

  /** OpenAPI 3.1 speaks draft 2020-12, AsyncAPI 3.0 draft 7. */
  constructor(target: 'draft-2020-12' | 'draft-7') {
    this.#target = target;
  }

  /** Of a body. */
  of(schema: z.ZodType): unknown {
    return this.#convert(schema, 'input');
  }

  /** Of a parameter: by what its text stands for, which is how OpenAPI describes them. */
  parameter(schema: unknown): unknown {
    if (!(schema instanceof z.ZodType)) throw new TypeError('a parameter needs a schema of its own');
    return this.#convert(schema, 'output');
  }

  /**
   * A value that shows what is meant: the first example of a converted schema, else one made of those of its parts,
   * without what may be absent. Throws where a part has none, so that no document can be written without.
   */
  exampleOf(schema: unknown): unknown {
    if (!isObject(schema)) throw new TypeError('there is no example of a schema that takes anything');
    const { $ref, examples, enum: values, anyOf, allOf, type, items, properties, required } = schema;
    if (Array.isArray(examples)) return examples[0];
    if (typeof $ref === 'string') return this.exampleOf(this.named[$ref.replace(COMPONENTS, '')]);
    if ('const' in schema) return schema.const;
    if (Array.isArray(values)) return values[0];
    if (Array.isArray(anyOf)) return this.exampleOf(anyOf[0]);
    if (Array.isArray(allOf)) return Object.assign({}, ...allOf.map((it) => this.exampleOf(it)));
    if (type === 'boolean') return true;
    if (type === 'array') return [this.exampleOf(items)];
    if (type === 'object' && isObject(properties)) {
      const needed = Array.isArray(required) ? required : [];
      const parts = Object.entries(properties).filter(([name]) => needed.includes(name));
      return Object.fromEntries(parts.map(([name, part]) => [name, this.exampleOf(part)]));
    }
    throw new TypeError(`an example is missing: ${JSON.stringify(schema)}`);
  }

  /** All that a schema was given, or the one that is made of its parts. */
  examplesOf(schema: unknown): unknown[] {
    if (isObject(schema)) {
      const { $ref, examples } = schema;
      if (Array.isArray(examples)) return examples;
      if (typeof $ref === 'string') return this.examplesOf(this.named[$ref.replace(COMPONENTS, '')]);
    }
    return [this.exampleOf(schema)];
  }

  #convert(schema: z.ZodType, io: 'input' | 'output'): unknown {
    const known = this.#converted[io].get(schema);
    if (known !== undefined) return known;
    // Inside an object even a schema with a name becomes a reference.
    const { properties, $defs, definitions } = z.toJSONSchema(z.object({ it: schema }), {
      io,
      target: this.#target,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        if (zodSchema._zod.def.type === 'undefined') jsonSchema.not = {};
      },
    });
    for (const [name, it] of Object.entries($defs ?? definitions ?? {})) this.#name(componentName(name), moved(it));
    const converted = moved(properties?.it);
    this.#converted[io].set(schema, converted);
    return converted;
  }

  #name(name: string, definition: unknown): void {
    const known = this.named[name];
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(definition)) {
      throw new Error(`two different schemas are named ${name}`);
    }
    this.named[name] = definition;
  }
}

/** The one recursive schema without a name is that of any JSON value. */
const componentName = (name: string): string => (name.startsWith('__schema') ? 'Json' : name);

/** With its references pointing to `components`; examples are values and stay as they are. */
function moved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(moved);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key === 'examples') return [key, inner];
      if (key === '$ref' && typeof inner === 'string') {
        return [key, COMPONENTS + componentName(inner.replace(/^#\/(?:\$defs|definitions)\//, ''))];
      }
      return [key, moved(inner)];
    }),
  );
}
