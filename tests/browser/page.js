// What the scripts that look at the dashboard share: Chromium, what goes wrong in it, axe-core, the keyboard.
// SPDX-License-Identifier: Apache-2.0
"use strict";
const fs = require("fs");
const readline = require("readline");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const LOOKS = [1280, 390].flatMap((width) => ["light", "dark"].map((colorScheme) => ({ width, colorScheme })));
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const waitFor = async (word) => { say({ wait: word }); await answers.next(); };

function watch(page, origin) {
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) say({ console: message.text() }); });
  page.on("pageerror", (error) => say({ console: String(error) }));
  page.on("dialog", (dialog) => { say({ console: `dialog ${dialog.message()}` }); dialog.dismiss(); });
  page.on("request", (request) => { if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith("blob:")) say({ foreign: request.url() }); });
}

// What axe-core finds on the page as it is; directory: for screenshots.
async function audit(page, name, { width, colorScheme }, directory) {
  await page.evaluate(axe);
  const found = await page.evaluate((tags) => globalThis.axe.run(document, { runOnly: tags }), RULES);
  say({ page: name, width, colorScheme, checks: found.passes.length,
    violations: found.violations.map((one) => `${one.id}: ${one.nodes[0].html}`),
    overflow: await page.evaluate(() => document.documentElement.scrollWidth > innerWidth),
    text: await page.innerText("main") });
  if (directory) await page.screenshot({ path: `${directory}/${name.replace(/\/.*/, "-item")}-${width}-${colorScheme}.png`, fullPage: true });
}

// Tab until the focused element has the text; what a user without a mouse does.
async function tabTo(page, text) {
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((words) => document.activeElement.innerText?.trim() === words, text)) return;
  }
  throw new Error(`no way to "${text}" by Tab`);
}

// Runs the steps in a Chromium, and says how that ended.
async function run(...steps) {
  try {
    const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: FLAGS });
    for (const step of steps) await step(browser);
    await browser.close();
    say({ end: true });
    process.exit(0);
  } catch (error) {
    say({ failed: String(error.stack) });
    process.exit(1);
  }
}

module.exports = { LOOKS, audit, run, say, tabTo, waitFor, watch };
