// The OpenAPI document as one HTML page that needs nothing else: no script, no font, no network.
//
// Owns: the page. Everything in it comes out of the document and is escaped.

import type { OpenApiDocument } from "./openapi.ts";

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: unknown;
}

interface Described {
  readonly description?: string;
  readonly required?: boolean;
  readonly content?: Readonly<Record<string, { readonly schema?: unknown }>>;
}

interface DocumentedOperation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Described;
  readonly responses?: Readonly<Record<string, Described>>;
}

const style = `
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 20%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); text-transform: capitalize }
code, pre { font: .875em/1.45 ui-monospace, monospace }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .25rem }
details { border: 1px solid var(--line); border-radius: .25rem; margin: .5rem 0; padding: .5rem .75rem }
summary { cursor: pointer } summary b { display: inline-block; min-width: 4rem }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line) }
nav a { margin-right: 1rem }`;

export function openApiPage(document: OpenApiDocument): string {
  const byTag = new Map<string, string[]>();
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    for (const [method, operation] of Object.entries(item as Record<string, DocumentedOperation>)) {
      const tag = operation.tags?.[0] ?? "other";
      byTag.set(tag, [...(byTag.get(tag) ?? []), operationHtml(method, path, operation)]);
    }
  }
  const tags = [...byTag.keys()];
  const links = [...tags, "schemas"].map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`).join(" ");
  const sections = tags
    .map((tag) => `<h2 id="${escape(tag)}">${escape(tag)}</h2>\n${byTag.get(tag)?.join("\n")}`)
    .join("\n");
  const schemas = Object.entries(document.components?.schemas ?? {})
    .map(([name, schema]) => `<h3 id="schema-${escape(name)}">${escape(name)}</h3>\n${schemaHtml(schema)}`)
    .join("\n");
  const { title, version, description = "" } = document.info;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} ${escape(version)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escape(title)} ${escape(version)}</h1>
<p>${escape(description)} For machines: <a href="/openapi.json">openapi.json</a>.</p>
<nav>${links}</nav>
<main>
${sections}
<h2 id="schemas">schemas</h2>
${schemas}
</main>
</body>
</html>
`;
}

function operationHtml(method: string, path: string, operation: DocumentedOperation): string {
  const { summary = "", description, parameters = [], requestBody, responses = {} } = operation;
  const parts = [description === undefined ? "" : `<p>${prose(description)}</p>`];
  if (parameters.length > 0) parts.push(parametersHtml(parameters));
  if (requestBody !== undefined)
    parts.push(`<h4>Body${requestBody.required === false ? " (optional)" : ""}</h4>\n${contentHtml(requestBody)}`);
  for (const [status, response] of Object.entries(responses)) {
    parts.push(`<h4>${escape(status)}: ${prose(response.description ?? "")}</h4>\n${contentHtml(response)}`);
  }
  return `<details><summary><b>${escape(method.toUpperCase())}</b> <code>${escape(path)}</code> ${prose(summary)}</summary>
${parts.join("\n")}
</details>`;
}

function parametersHtml(parameters: readonly Parameter[]): string {
  const rows = parameters.map(({ name, in: place, required, description = "", schema }) => {
    const words = description || (schema as { description?: string } | undefined)?.description || "";
    return `<tr><td><code>${escape(name)}</code></td><td>${escape(place)}${required === true ? ", required" : ""}</td><td>${typeHtml(schema)}</td><td>${prose(words)}</td></tr>`;
  });
  return `<div class="scroll"><table><thead><tr><th>Parameter</th><th>In</th><th>Type</th><th>Meaning</th></tr></thead><tbody>
${rows.join("\n")}
</tbody></table></div>`;
}

function typeHtml(schema: unknown): string {
  const { type, enum: words, minimum, maximum, default: preset } = (schema ?? {}) as Record<string, unknown>;
  const parts = [Array.isArray(words) ? words.join(" | ") : typeof type === "string" ? type : ""];
  if (minimum !== undefined) parts.push(`from ${String(minimum)}`);
  if (maximum !== undefined) parts.push(`to ${String(maximum)}`);
  if (preset !== undefined) parts.push(`default ${String(preset)}`);
  return escape(parts.filter((part) => part !== "").join(", "));
}

function contentHtml({ content = {} }: Described): string {
  const bySchema = new Map<string, string[]>();
  for (const [type, { schema }] of Object.entries(content)) {
    const html = schemaHtml(schema);
    bySchema.set(html, [...(bySchema.get(html) ?? []), type]);
  }
  return [...bySchema]
    .map(([html, types]) => `<p>${types.map((type) => `<code>${escape(type)}</code>`).join(", ")}</p>\n${html}`)
    .join("\n");
}

function schemaHtml(schema: unknown): string {
  const name = /^#\/components\/schemas\/(.+)$/.exec((schema as { $ref?: string } | undefined)?.$ref ?? "")?.[1];
  if (name !== undefined) return `<p><a href="#schema-${escape(name)}">${escape(name)}</a></p>`;
  return `<pre>${escape(JSON.stringify(schema ?? {}, null, 2))}</pre>`;
}

/** Text with \`code\` in it. */
function prose(text: string): string {
  return escape(text).replace(/`([^`]*)`/g, "<code>$1</code>");
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
