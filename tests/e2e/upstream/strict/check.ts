// Small checks that compose into the shape of a request, and refuse whatever the shape does not name: what a published
// schema leaves open (unknown fields, mostly) is what gateways get wrong.

export type Path = Array<string | number>;
/** Throws `Rejected` where the value is not as it should be. */
export type Check = (value: any, path: Path) => void;

/** Why a request is refused; each dialect words it, and shapes the body, in its own way. */
export class Rejected extends Error {
  readonly kind: "unknown" | "missing" | "invalid";
  readonly path: Path;
  readonly status: number;
  /** The API's own code or type, where the kind does not say it. */
  readonly code?: string;

  constructor(kind: Rejected["kind"], path: Path, message: string, { status = 400, code }: { status?: number; code?: string } = {}) {
    super(message);
    this.kind = kind;
    this.path = path;
    this.status = status;
    this.code = code;
  }
}

export function reject(path: Path, message: string, options: { status?: number; code?: string } = {}): never {
  throw new Rejected("invalid", path, message, options);
}

/** `messages[1].content` */
export function bracketed(path: Path): string {
  return path.map((step, index) => (typeof step === "number" ? `[${step}]` : index ? `.${step}` : step)).join("");
}

/** `messages.1.content` */
export const dotted = (path: Path): string => path.join(".");

export const anything: Check = () => {};

export function text(options: { pattern?: RegExp; max?: number; empty?: boolean; code?: string } = {}): Check {
  return (value, path) => {
    if (typeof value !== "string") {
      reject(path, `expected a string, but got ${kindOf(value)} instead`, { code: "invalid_type" });
    }
    if (options.max !== undefined && value.length > options.max) {
      reject(path, `string too long. Expected a string with maximum length ${options.max}, but got a string with length ${value.length} instead`, { code: "string_above_max_length" });
    }
    if (options.pattern && !options.pattern.test(value)) {
      reject(path, `'${value}' does not match pattern '${options.pattern.source}'`, { code: options.code ?? "invalid_value" });
    }
    if (options.empty === false && value === "") {
      reject(path, "must be non-empty");
    }
  };
}

export function number(min = -Infinity, max = Infinity, integer = false): Check {
  return (value, path) => {
    if (typeof value !== "number" || (integer && !Number.isInteger(value))) {
      reject(path, `expected ${integer ? "an integer" : "a number"}, but got ${kindOf(value)} instead`, { code: "invalid_type" });
    }
    if (value < min) {
      reject(path, `${integer ? "integer" : "decimal"} below minimum value. Expected a value >= ${min}, but got ${value} instead`, { code: "integer_below_min_value" });
    }
    if (value > max) {
      reject(path, `${integer ? "integer" : "decimal"} above maximum value. Expected a value <= ${max}, but got ${value} instead`, { code: "integer_above_max_value" });
    }
  };
}

export const integer = (min = -Infinity, max = Infinity): Check => number(min, max, true);

export const flag: Check = (value, path) => {
  if (typeof value !== "boolean") {
    reject(path, `expected a boolean, but got ${kindOf(value)} instead`, { code: "invalid_type" });
  }
};

/** An object of whatever. */
export const object: Check = (value, path) => {
  if (kindOf(value) !== "an object") {
    reject(path, `expected an object, but got ${kindOf(value)} instead`, { code: "invalid_type" });
  }
};

export function oneOf(...allowed: string[]): Check {
  return (value, path) => {
    if (!allowed.includes(value)) {
      reject(path, `Invalid value: '${value}'. Supported values are: ${allowed.map((it) => `'${it}'`).join(", ")}`, { code: "invalid_value" });
    }
  };
}

export function list(each: Check, { min = 0, max = Infinity } = {}): Check {
  return (value, path) => {
    if (!Array.isArray(value)) {
      reject(path, `expected an array, but got ${kindOf(value)} instead`, { code: "invalid_type" });
    }
    if (value.length < min || value.length > max) {
      reject(path, `expected an array of length ${min} to ${max}, but got ${value.length}`, { code: "invalid_value" });
    }
    value.forEach((item: unknown, index: number) => each(item, [...path, index]));
  };
}

/** A string, or else this. */
export const textOr = (other: Check, ofText: Check = text()): Check => (value, path) => (typeof value === "string" ? ofText : other)(value, path);

export interface RecordOptions {
  /** An optional field may be null. */
  nulls?: boolean;
  /** `max_tokens` is `maxTokens`, as in Google's APIs; it is renamed in the value. */
  snake?: boolean;
}

/** An object of exactly these fields; a name that ends in `!` is required. */
export function record(fields: Record<string, Check>, { nulls = false, snake = false }: RecordOptions = {}): Check {
  const checks = new Map(Object.entries(fields).map(([name, check]) => [name.replace(/!$/, ""), check]));
  const required = Object.keys(fields).filter((name) => name.endsWith("!")).map((name) => name.slice(0, -1));
  return (value, path) => {
    object(value, path);
    for (const name of Object.keys(value)) {
      const camel = snake ? name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) : name;
      const check = checks.get(camel);
      if (!check) {
        throw new Rejected("unknown", [...path, name], `unknown field ${name}`);
      }
      if (camel !== name) {
        value[camel] = value[name];
        delete value[name];
      }
      if (!(nulls && value[camel] === null && !required.includes(camel))) {
        check(value[camel], [...path, name]);
      }
    }
    for (const name of required) {
      if (value[name] === undefined) {
        throw new Rejected("missing", [...path, name], `missing field ${name}`);
      }
    }
  };
}

/** One of these records, told apart by their field of this name. */
export function tagged(tag: string, kinds: Record<string, Check>, usual?: string): Check {
  return (value, path) => {
    object(value, path);
    const kind = value[tag] ?? usual;
    if (kind === undefined) {
      throw new Rejected("missing", [...path, tag], `missing field ${tag}`);
    }
    const check = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
    if (!check) {
      reject([...path, tag], `Invalid value: '${kind}'. Supported values are: ${Object.keys(kinds).map((it) => `'${it}'`).join(", ")}`, { code: "invalid_value" });
    }
    check(value, path);
  };
}

/** Standard base64 of at least one byte, padded. */
export const base64: Check = (value, path) => {
  text()(value, path);
  if (value === "" || value.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) {
    reject(path, "invalid base64 data");
  }
};

/** Either alphabet, padded or not: so Google's JSON takes bytes, and its Python client writes them. */
export const eitherBase64: Check = (value, path) => {
  text()(value, path);
  if (!/^(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}$/.test(value) || value.replace(/=+$/, "").length % 4 === 1) {
    reject(path, "Base64 decoding failed");
  }
};

/** What structured output demands of a JSON schema: every object closed, and where `all`, every property required. */
export function closedSchema({ all }: { all: boolean }): Check {
  const visit: Check = (schema, path) => {
    if (schema.type === "object" || schema.properties) {
      if (schema.additionalProperties !== false) {
        reject(path, all ? "In context=(), 'additionalProperties' is required to be supplied and to be false" : "For 'object' type, 'additionalProperties' must be explicitly set to false");
      }
      const missing = Object.keys(schema.properties ?? {}).find((name) => !(schema.required ?? []).includes(name));
      if (all && missing !== undefined) {
        reject(path, `In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing '${missing}'`);
      }
    }
  };
  return everywhere(visit);
}

const JSON_TYPES = ["string", "number", "integer", "boolean", "array", "object", "null"];

/** JSON schema has its types in small letters; Google's schemas, in capitals, are none. */
export const knownTypes: Check = everywhere((schema, path) => {
  const unknown = [schema.type ?? []].flat().find((type: string) => !JSON_TYPES.includes(type));
  if (unknown !== undefined) {
    reject(path, `'${unknown}' is not valid under any of the given schemas`);
  }
});

/** Checks a schema and all schemas within it. */
function everywhere(check: Check): Check {
  const visit: Check = (schema, path) => {
    if (kindOf(schema) !== "an object") {
      return;
    }
    check(schema, path);
    for (const name of ["properties", "$defs", "definitions"]) {
      Object.entries(schema[name] ?? {}).forEach(([key, inner]) => visit(inner, [...path, name, key]));
    }
    for (const name of ["anyOf", "allOf", "oneOf"]) {
      (schema[name] ?? []).forEach((inner: unknown, index: number) => visit(inner, [...path, name, index]));
    }
    visit(schema.items, [...path, "items"]);
  };
  return visit;
}

function kindOf(value: unknown): string {
  return value === null ? "null" : Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
