// Looks at the dashboard in Chromium, with the keyboard alone, and says what it saw as lines of JSON.
// SPDX-License-Identifier: Apache-2.0
// usage: node dashboard.js ORIGIN ITEM TOKEN [DIRECTORY for screenshots]
// Where the test has to do something first, the line {"wait": WORD} is answered by a line on standard input.
"use strict";
const { LOOKS, audit, run, say, tabTo, waitFor, watch } = require("./page.js");
const [origin, itemId, token, directory] = process.argv.slice(2);

async function look(browser, how) {
  const context = await browser.newContext({ viewport: { width: how.width, height: 900 }, colorScheme: how.colorScheme });
  const page = await context.newPage();
  watch(page, origin);
  for (const [name, ready] of [["overview", ".chart polyline[points*=' ']"], ["instances", "td .bad"], ["quarantine", "tbody a"],
    [`quarantine/${itemId}`, "tr.ghost"], ["backends", "td .good"], ["config", "tbody tr + tr"]]) {
    await page.goto(`${origin}/ui#/${name}`);
    await page.waitForSelector(ready, { state: "attached" });
    await audit(page, name, how, directory);
  }
  await context.close();
}

async function lookAtAll(browser) {
  for (const how of LOOKS) await look(browser, how);
}

async function byKeyboard(browser) {
  const page = await (await browser.newContext()).newPage();
  watch(page, origin);
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

run(lookAtAll, byKeyboard, throughTrouble);
