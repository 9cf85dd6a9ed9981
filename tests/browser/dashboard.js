// Looks at the dashboard in Chromium, with the keyboard alone, and says what it saw as lines of JSON.
// SPDX-License-Identifier: Apache-2.0
// usage: node dashboard.js ORIGIN ITEM TOKEN [DIRECTORY for screenshots]
// Where the test has to do something first, the line {"wait": WORD} is answered by a line on standard input.
"use strict";
const fs = require("fs");
const readline = require("readline");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [origin, itemId, token, directory] = process.argv.slice(2);
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const waitFor = async (word) => { say({ wait: word }); await answers.next(); };

function watch(page) {
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) say({ console: message.text() }); });
  page.on("pageerror", (error) => say({ console: String(error) }));
  page.on("dialog", (dialog) => { say({ console: `dialog ${dialog.message()}` }); dialog.dismiss(); });
  page.on("request", (request) => { if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("blob:")) say({ foreign: request.url() }); });
}

async function look(browser, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  const page = await context.newPage();
  watch(page);
  for (const [name, ready] of [["overview", ".chart polyline[points*=' ']"], ["instances", "td .bad"], ["quarantine", "tbody a"],
    [`quarantine/${itemId}`, "tr.ghost"], ["backends", "td .good"], ["config", "tbody tr + tr"]]) {
    await page.goto(`${origin}/ui#/${name}`);
    await page.waitForSelector(ready, { state: "attached" });
    await page.evaluate(axe);
    const found = await page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags }), RULES);
    say({ page: name, width, colorScheme, checks: found.passes.length,
      violations: found.violations.map((one) => `${one.id}: ${one.nodes[0].html}`),
      overflow: await page.evaluate(() => document.documentElement.scrollWidth > innerWidth),
      text: await page.innerText("main") });
    if (directory) await page.screenshot({ path: `${directory}/${name.replace(/\/.*/, "-item")}-${width}-${colorScheme}.png`, fullPage: true });
  }
  await context.close();
}

// Tab until the focused element has the text; what a user without a mouse does.
async function tabTo(page, text) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((words) => document.activeElement.innerText?.trim() === words, text)) return;
  }
  throw new Error(`no way to "${text}" by Tab`);
}

async function byKeyboard(browser) {
  const page = await (await browser.newContext()).newPage();
  watch(page);
  await page.goto(`${origin}/`);
  await page.waitForSelector(".flow");
  await tabTo(page, "Quarantine");
  await page.keyboard.press("Enter");
  await page.waitForSelector("tbody a");
  const first = await page.innerText("tbody a");
  await tabTo(page, first);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".actions");
  await tabTo(page, "Remove");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  await tabTo(page, "Remove");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#ask-text");
  await page.keyboard.press("Tab");
  await page.focus("#ask-text");
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".notice.good");
  say({ removed: first, told: await page.innerText(".notice.good") });
  await page.goto(`${origin}/ui#/quarantine/${itemId}`);
  await page.waitForSelector(`h1:text-is("${itemId}")`);
  await page.waitForSelector(".tree");
  await page.focus(".tree");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  say({ row: await page.evaluate(() => document.activeElement.rowIndex) });
  await page.click(".actions button.main");
  await page.click("dialog button.main");
  await page.waitForSelector(".notice.warn");
  say({ refused: itemId, told: await page.innerText(".notice.warn") });
  await page.click("text=Replay as it is");
  await page.click("dialog button.main");
  await page.waitForSelector(".notice.good");
  say({ replayed: itemId, told: await page.innerText(".notice.good") });
  await page.context().close();
}

async function throughTrouble(browser) {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (error) => say({ console: String(error) }));
  await page.goto(`${origin}/ui`);
  await page.waitForSelector(".flow");
  await page.goto(`${origin}/ui#/quarantine/%`);
  await page.waitForSelector('h1:text-is("%")');
  await page.goto(`${origin}/ui#/overview`);
  await waitFor("pause, disable");
  await page.waitForSelector("text=Forwarding is paused");
  await page.waitForSelector("text=Every backend is disabled");
  say({ paused: await page.innerText("#link"), flow: await page.innerText(".flow") });
  await page.goto(`${origin}/ui#/backends`);
  await page.waitForSelector("td .small.warn");
  say({ disabled: await page.innerText("tbody") });
  if (directory) await page.screenshot({ path: `${directory}/backends-disabled.png`, fullPage: true });
  await page.goto(`${origin}/ui#/overview`);
  await page.waitForSelector(".flow");
  if (directory) await page.screenshot({ path: `${directory}/overview-paused.png`, fullPage: true });
  await waitFor("resume, enable");
  await page.waitForSelector("text=Forwarding is paused", { state: "detached" });
  await waitFor("drain");
  await page.waitForSelector("text=it is draining");
  say({ draining: await page.innerText("#link") });
  await waitFor("undrain, backend down");
  await page.waitForSelector("text=No backend is connected");
  say({ seen: "no backend" });
  await waitFor("gate down");
  await page.waitForSelector("#link.lost");
  say({ seen: "lost", link: await page.innerText("#link") });
  await page.context().close();
}

async function main() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: FLAGS });
  for (const width of [1280, 390]) for (const scheme of ["light", "dark"]) await look(browser, width, scheme);
  await byKeyboard(browser);
  await throughTrouble(browser);
  await browser.close();
  say({ end: true });
  process.exit(0);
}

main().catch((error) => { say({ failed: String(error.stack) }); process.exit(1); });
