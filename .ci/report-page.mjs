// The report page in a real browser: what a person would see of a violated run and of one that holds.
//
//   node .ci/report-page.mjs [--screenshots FOLDER]
//
// Owns: the proof that the page works from the file alone: verdict, lanes, marks that are really painted, details
//   after a click and by keys, light and dark, and 100,000 operations without a stutter.
// Needs Chromium (Debian's `chromium`, or CHROMIUM=/path); under CI=true its absence is a failure.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { dist } from "./moldau.mjs";
import { livesOf } from "./report-histories.mjs";

const { values: flags } = parseArgs({ options: { screenshots: { type: "string" } } });
const module = (path) => import(pathToFileURL(join(dist, path)));
const { createReport } = await module("properties/report/report.js");
const { reportPage } = await module("properties/report/page.js");
const { judge } = await module("properties/checker/index.js");

const executablePath = process.env.CHROMIUM ?? whereIs("chromium");
if (executablePath === null) {
  const message = "no Chromium: the report page was NOT looked at; `apt-get install chromium`, or set CHROMIUM";
  console.error(message);
  process.exit(process.env.CI === "true" ? 1 : 0);
}

const folder = mkdtempSync(join(tmpdir(), "moldau-page-"));
if (flags.screenshots !== undefined) mkdirSync(flags.screenshots, { recursive: true });
let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"],
  });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

function whereIs(name) {
  try {
    return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
  } catch {
    return null;
  }
}

function reportOf(history, more = {}) {
  return createReport({
    target: "kafka://127.0.0.1:9092",
    seed: 7,
    startedAt: new Date("2026-01-31T08:00:00Z"),
    seconds: 60,
    tool: { moldau: "0.1.0", runtime: "node 20.20.2" },
    command: "npx moldau check --target kafka://127.0.0.1:9092 --seconds 60 --seed 7",
    verdict: judge(history),
    history,
    output: "moldau 0.1.0 on node 20.20.2\n<b>not bold</b>",
    ...more,
  });
}

/** The page of that report, from a file, and all that went wrong in it. */
async function open(name, report, { colorScheme = "light", width = 1360, height = 1000 } = {}) {
  const file = join(folder, `${name}.html`);
  writeFileSync(file, reportPage(report));
  const context = await browser.newContext({ colorScheme, viewport: { width, height } });
  const page = await context.newPage();
  const wrong = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) wrong.push(`asked for ${request.url()}`);
  });
  await page.goto(pathToFileURL(file).href);
  await page.waitForSelector("html[data-ready=true]");
  await painted(page);
  const shoot = async (suffix = "") => {
    if (flags.screenshots === undefined) return;
    await page.screenshot({ path: join(flags.screenshots, `${name}${suffix}.png`), fullPage: true });
  };
  return { page, wrong, shoot, close: () => context.close() };
}

/** Two frames: what was asked to be drawn is there. */
function painted(page) {
  return page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done()))));
}

/** How many pixels of a canvas have this custom property's colour, and where the first right of the labels lies. */
function pixelsOf(page, canvas, property) {
  return page.evaluate(
    ([id, name]) => {
      const element = document.getElementById(id);
      const [{ width, height }, ratio] = [element, devicePixelRatio];
      const copy = new OffscreenCanvas(width + 1, height).getContext("2d", { willReadFrequently: true });
      copy.drawImage(element, 0, 0);
      copy.fillStyle = getComputedStyle(element).getPropertyValue(name).trim();
      copy.fillRect(width, 0, 1, 1);
      const { data } = copy.getImageData(0, 0, width + 1, height);
      const isSame = (at) => [0, 1, 2].every((part) => data[at + part] === data[width * 4 + part]);
      let [count, first] = [0, null];
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          if (!isSame((y * (width + 1) + x) * 4)) continue;
          count++;
          if (x > 230 * ratio && y > 60 * ratio) first ??= { x: x / ratio + 1, y: y / ratio + 3 };
        }
      }
      return { count, first };
    },
    [canvas, property],
  );
}

test("a violated run says so at a glance, and leads to what happened", async () => {
  const history = livesOf({ operations: 600, lose: true });
  const report = reportOf(history);
  assert.equal(report.verdict.holds, false, "the sample history is to be a violated one");
  const [violation] = report.verdict.violations;
  assert.ok(violation.events.length > 0, "a violation names its events");
  const { page, wrong, shoot, close } = await open("violated", report);
  await shoot();
  assert.match(await page.title(), /^Violated: kafka:\/\/127\.0\.0\.1:9092, seed 7$/);
  assert.match(await page.textContent("#verdict"), /Violated/);
  const violations = await page.textContent("#violations");
  for (const words of [violation.invariant, violation.source, violation.message.slice(0, 80)])
    assert.ok(violations.includes(words), words);

  // It opens on what the violation names: marked in the picture, and told in words.
  const details = page.locator("#details");
  assert.match(await details.textContent(), /named by the violation/);
  assert.ok((await pixelsOf(page, "lanes", "--violation")).count > 50, "the violating event is marked");
  assert.ok((await pixelsOf(page, "overview", "--violation")).count > 10, "and so it is in the whole run");
  for (const property of ["--ok", "--info", "--fail", "--fault"])
    assert.ok((await pixelsOf(page, "lanes", property)).count > 20, `${property} is painted`);

  // Another event by a click, by keys, and back by the violation's button.
  const before = await details.textContent();
  await page.locator("#lanes").press("ArrowLeft");
  const stepped = await details.textContent();
  assert.notEqual(stepped, before);
  await page.locator("#lanes").press("ArrowUp");
  assert.notEqual(await details.textContent(), stepped);
  await page.locator("#violations button[data-event]").first().click();
  await painted(page);
  assert.match(await details.textContent(), /named by the violation/);
  await shoot("-close");
  await page.getByRole("button", { name: "the whole run" }).click();
  await clickAMark(page, "--ok");
  assert.match(await details.textContent(), /(produce|read): ok/);

  assert.match(await page.textContent("#faults"), /SIGKILL/);
  assert.equal(await page.locator("#faults b").count(), 0, "what was printed is text");
  assert.match(await page.textContent("#again"), /--seed 7/);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: /download/ }).click(),
  ]);
  assert.equal(download.suggestedFilename(), "moldau-check-7.json");
  assert.deepEqual(wrong, []);
  await close();
});

test("a run that holds says so, with what happened and what never did", async () => {
  const history = livesOf({ operations: 600, lose: false });
  const report = reportOf(history, { coverage: { "produce ok": 300, "conditional fail": 0 } });
  assert.deepEqual(report.verdict.violations, []);
  const { page, wrong, shoot, close } = await open("holds", report, { colorScheme: "dark" });
  assert.match(await page.textContent("#verdict"), /Holds/);
  assert.equal(await page.locator("#violations").count(), 0);
  assert.equal((await pixelsOf(page, "lanes", "--violation")).count, 0);
  assert.ok((await pixelsOf(page, "lanes", "--ok")).count > 100);
  assert.match(await page.locator("#coverage .never").textContent(), /conditional fail\s*never/);
  await clickAMark(page, "--ok");
  assert.match(await page.textContent("#details"), /(produce|read): ok/);
  await shoot();
  assert.deepEqual(wrong, []);
  await close();
});

test("100,000 operations are drawn and moved about in without a stutter", async () => {
  const report = reportOf(livesOf({ operations: 100_000, lose: true }));
  const { page, wrong, shoot, close } = await open("many", report, { width: 1000, height: 800 });
  assert.ok((await pixelsOf(page, "lanes", "--violation")).count > 20);
  await page.getByRole("button", { name: "the whole run" }).click();
  await painted(page);
  await shoot();
  // One among a hundred thousand is still to be seen.
  assert.ok((await pixelsOf(page, "lanes", "--violation")).count > 20);
  const box = await page.locator("#lanes").boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const slowestMs = await page.evaluate(async () => {
    let slowest = 0;
    for (let nth = 0; nth < 20; nth++) {
      const from = performance.now();
      document.querySelector(`[data-act=${nth % 4 === 3 ? "later" : "closer"}]`).click();
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
      slowest = Math.max(slowest, performance.now() - from);
    }
    return slowest;
  });
  console.log(`100,000 operations: the slowest of 20 frames took ${slowestMs.toFixed(0)} ms`);
  await page.locator("#lanes").press("v");
  assert.match(await page.textContent("#details"), /named by the violation/);
  assert.deepEqual(wrong, []);
  await close();
});

test("a narrow screen and no script still tell the verdict", async () => {
  const report = reportOf(livesOf({ operations: 200, lose: true }));
  const narrow = await open("narrow", report, { width: 390, height: 800 });
  assert.equal(await narrow.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
  await narrow.shoot();
  assert.deepEqual(narrow.wrong, []);
  await narrow.close();
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(pathToFileURL(join(folder, "narrow.html")).href);
  assert.match(await page.textContent("#verdict"), /Violated/);
  await context.close();
});

/** Clicks where the lanes have that colour. */
async function clickAMark(page, property) {
  const { first } = await pixelsOf(page, "lanes", property);
  assert.notEqual(first, null, `nothing has the colour ${property}`);
  await page.locator("#lanes").click({ position: first });
  await painted(page);
}
