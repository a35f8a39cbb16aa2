// Files that import each other in a circle: who reads one has to have read the others, and which of them is loaded first
// decides what each finds in the other.
//
// Owns: finding them, `import()` when needed included; types load nothing and may go round.
// Never: reads a disk; the tree is handed in.

import { resolveSpecifier, type SourceTree } from "./layers.ts";
import { importsOf, tokenize } from "./source.ts";

/** Each as the files that are gone through, its first again at its end. */
export function circlesOf(tree: SourceTree): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (path: string): void => {
    if (done.has(path)) return;
    const from = way.indexOf(path);
    if (from >= 0) {
      found.push([...way.slice(from), path]);
      return;
    }
    way.push(path);
    for (const target of importedBy(path, tree)) visit(target);
    way.pop();
    done.add(path);
  };
  for (const path of tree.keys()) visit(path);
  return found;
}

function importedBy(path: string, tree: SourceTree): string[] {
  const imports = importsOf(tokenize(tree.get(path) ?? ""));
  return imports.flatMap(({ specifier, typesOnly }) => {
    if (specifier === null || typesOnly) return [];
    const target = resolveSpecifier(path, specifier);
    return tree.has(target) ? [target] : [];
  });
}
