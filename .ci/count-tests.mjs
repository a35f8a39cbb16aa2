// A reporter for `node --test`: counts tests and names those skipped or todo, and the files
// without a test (Node reports such a file as one test of its own name), as one line of JSON.
export default async function* countTests(events) {
  let tests = 0;
  const passedOver = [];
  const silent = [];
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type !== "suite") tests += 1;
    if ((data.skip ?? false) !== false || (data.todo ?? false) !== false)
      passedOver.push(`${data.name} (${data.file})`);
    if (data.nesting === 0 && /\.test\.[jt]s$/.test(data.name)) silent.push(data.name);
  }
  yield JSON.stringify({ tests, passedOver, silent });
}
