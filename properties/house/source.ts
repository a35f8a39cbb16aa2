// Reads TypeScript as far as the rules of the house need: words, strings and signs, without
// comments, and what a file imports.
//
// Owns: telling code from comments, strings, templates and regular expressions.
// Never: parses; it knows no types and no scopes.
//
// A hand-made scanner, because it must run unchanged on every runtime, and the compiler's own is
// a native program since TypeScript 7.

export interface Token {
  readonly kind: "word" | "number" | "string" | "template" | "regex" | "sign";
  /** As written; of a string what is between its quotes. */
  readonly text: string;
  readonly line: number;
}

export interface Import {
  /** null when the specifier is computed. */
  readonly specifier: string | null;
  /** `import("x")`, as a value or as a type. */
  readonly dynamic: boolean;
  /** `import type`: nothing is loaded. */
  readonly typesOnly: boolean;
  readonly line: number;
}

const wordStart = /[\p{ID_Start}$_#]/u;
const wordPart = /[\p{ID_Continue}$\u200c\u200d]/u;
/** After these words a slash begins a regular expression; after any other it divides. */
const beforeRegex = new Set("return typeof instanceof in of new delete void throw case do else yield await".split(" "));

export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** Open braces, innermost last: whether each belongs to a template's `${`. */
  const braces: boolean[] = [];
  let at = 0;
  let line = 1;

  function take(kind: Token["kind"], end: number, text: string = source.slice(at, end)): void {
    tokens.push({ kind, text, line });
    advance(end);
  }
  function advance(end: number): void {
    for (; at < end; at++) if (source[at] === "\n") line++;
  }
  /** From the backtick or the brace that closes a `${` to the next `${` or the end. */
  function takeTemplate(): void {
    let end = at + 1;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end)) {
      end += source[end] === "\\" ? 2 : 1;
    }
    const goesOn = source[end] === "$";
    take("template", end + (goesOn ? 2 : 1), source.slice(at + 1, end));
    if (goesOn) braces.push(true);
  }

  while (at < source.length) {
    const sign = source[at] as string;
    if (/\s/.test(sign)) advance(at + 1);
    else if (source.startsWith("//", at) || (at === 0 && source.startsWith("#!"))) advance(lineEnd(source, at));
    else if (source.startsWith("/*", at)) advance(indexOrEnd(source, "*/", at + 2) + 2);
    else if (sign === '"' || sign === "'") {
      const end = stringEnd(source, at);
      take("string", end, source.slice(at + 1, end - 1));
    } else if (sign === "`") takeTemplate();
    else if (sign === "}" && braces.pop() === true) takeTemplate();
    else if (wordStart.test(sign)) {
      let end = at + 1;
      while (end < source.length && wordPart.test(source[end] as string)) end++;
      take("word", end);
    } else if (/[0-9]/.test(sign)) {
      let end = at + 1;
      while (end < source.length && /[0-9a-zA-Z_.]/.test(source[end] as string)) end++;
      take("number", end);
    } else if (sign === "/" && mayBeginRegex(tokens.at(-1))) take("regex", regexEnd(source, at));
    else {
      if (sign === "{") braces.push(false);
      take("sign", source.startsWith("...", at) ? at + 3 : source.startsWith("?.", at) ? at + 2 : at + 1);
    }
  }
  return tokens;
}

export function importsOf(tokens: readonly Token[]): Import[] {
  const imports: Import[] = [];
  const string = (index: number): string | null => (tokens[index]?.kind === "string" ? tokens[index].text : null);
  const is = (index: number, text: string): boolean => tokens[index]?.kind !== "string" && tokens[index]?.text === text;
  for (let index = 0; index < tokens.length; index++) {
    const { line } = tokens[index] as Token;
    if (is(index - 1, ".") || is(index - 1, "?.")) continue;
    if (is(index, "require") && is(index + 1, "("))
      imports.push({ specifier: string(index + 2), dynamic: true, typesOnly: false, line });
    const importing = is(index, "import");
    if (!importing && !is(index, "export")) continue;
    if (importing && is(index + 1, "(")) {
      const literal = is(index + 3, ")") || is(index + 3, ",");
      imports.push({ specifier: literal ? string(index + 2) : null, dynamic: true, typesOnly: false, line });
    } else if (importing && string(index + 1) !== null) {
      imports.push({ specifier: string(index + 1), dynamic: false, typesOnly: false, line });
    } else {
      const from = importing ? clauseEnd(tokens, index) : reexportEnd(tokens, index, is);
      // `import type from "x"` and `import type, { y } from "x"` import a value of that name.
      const typesOnly = is(index + 1, "type") && !is(index + 2, "from") && !is(index + 2, ",");
      if (from >= 0) imports.push({ specifier: string(from), dynamic: false, typesOnly, line });
    }
  }
  return imports;
}

/** The specifier's place in `import x, { y } from "z"`; -1 when there is none. */
function clauseEnd(tokens: readonly Token[], index: number): number {
  for (let at = index + 1; at < tokens.length - 1; at++) {
    const { kind, text } = tokens[at] as Token;
    if (kind === "word" && text === "from" && tokens[at + 1]?.kind === "string") return at + 1;
    if (kind !== "word" && kind !== "string" && !"{},*".includes(text)) return -1;
  }
  return -1;
}

/** Likewise in `export { x } from "y"` and `export * as x from "y"`. */
function reexportEnd(tokens: readonly Token[], index: number, is: (index: number, text: string) => boolean): number {
  const first = is(index + 1, "type") ? index + 2 : index + 1;
  return is(first, "{") || is(first, "*") ? clauseEnd(tokens, index) : -1;
}

function mayBeginRegex(last: Token | undefined): boolean {
  if (last === undefined) return true;
  if (last.kind === "word") return beforeRegex.has(last.text);
  return last.kind === "sign" && !")]}".includes(last.text);
}

function regexEnd(source: string, start: number): number {
  let inClass = false;
  let end = start + 1;
  for (; end < source.length && source[end] !== "\n"; end++) {
    if (source[end] === "\\") end++;
    else if (source[end] === "[") inClass = true;
    else if (source[end] === "]") inClass = false;
    else if (source[end] === "/" && !inClass) break;
  }
  end++;
  while (end < source.length && /[a-z]/.test(source[end] as string)) end++;
  return end;
}

function stringEnd(source: string, start: number): number {
  let end = start + 1;
  while (end < source.length && source[end] !== source[start] && source[end] !== "\n") {
    end += source[end] === "\\" ? 2 : 1;
  }
  return end + 1;
}

function lineEnd(source: string, at: number): number {
  return indexOrEnd(source, "\n", at);
}

function indexOrEnd(source: string, text: string, at: number): number {
  const found = source.indexOf(text, at);
  return found < 0 ? source.length : found;
}
