// Looks at the dashboard's live view while segments come, and says what it saw as lines of JSON.
// SPDX-License-Identifier: Apache-2.0
// usage: node live.js ORIGIN [DIRECTORY for screenshots]
"use strict";
const { LOOKS, audit, run, say, tabTo, waitFor, watch } = require("./page.js");
const [origin, directory] = process.argv.slice(2);
const ROW = "#live-list tbody a";

async function look(browser, how) {
  const context = await browser.newContext({ viewport: { width: how.width, height: 900 }, colorScheme: how.colorScheme });
  const page = await context.newPage();
  watch(page, origin);
  await page.goto(`${origin}/ui#/live`);
  await page.selectOption("#live-verdict", "tagged");
  await page.waitForSelector(ROW);
  await page.click("text=Pause");
  await audit(page, "live", how, directory);
  await page.click(ROW);
  await page.waitForSelector("tr.ghost");
  await audit(page, "live/item", how, directory);
  await context.close();
}

async function lookAtAll(browser) {
  for (const how of LOOKS) await look(browser, how);
}

// As when another tab comes before it.
const hide = (page, isHidden) => page.evaluate((value) => {
  Object.defineProperty(document, "hidden", { value, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}, isHidden);

const verdicts = async (page) => [...new Set((await page.locator("#live-list tbody td:nth-child(2)").allInnerTexts()).map((text) => text.replace(/^\W+/, "")))];
const first = (page) => page.getAttribute(ROW, "href");

async function byKeyboard(browser) {
  const page = await (await browser.newContext()).newPage();
  watch(page, origin);
  await page.goto(`${origin}/`);
  await page.waitForSelector(".flow");
  await tabTo(page, "Live");
  await page.keyboard.press("Enter");
  await page.waitForSelector(ROW);
  await page.focus("#live-filter");
  await page.keyboard.type("rule=span-parent-missing");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => [...document.querySelectorAll("#live-list code")].length > 3);
  say({ filtered: await verdicts(page) });
  const before = await first(page);
  await page.waitForFunction((href) => document.querySelector("#live-list tbody a").getAttribute("href") !== href, before);
  await page.focus(ROW); // from now on the list waits
  const held = await first(page);
  const counted = await page.innerText("main > .small");
  await page.waitForFunction((text) => document.querySelector("main > .small").innerText !== text, counted);
  say({ held: held === await first(page) });
  await page.keyboard.press("Enter");
  await page.waitForSelector("tr.ghost");
  say({ opened: page.url().replace(origin, ""), wanted: held, text: await page.innerText("main") });
  await page.focus(".tree");
  await page.keyboard.press("ArrowDown");
  say({ row: await page.evaluate(() => document.activeElement.rowIndex) });
  await page.goBack();
  await page.waitForSelector(ROW);
  say({ paused: await page.innerText("main > .small"), kept: held === await first(page) });
  await waitFor("nobody taps");
  await tabTo(page, "Go on");
  await page.keyboard.press("Enter");
  await page.waitForFunction((href) => document.querySelector("#live-list tbody a").getAttribute("href") !== href, held);
  await page.fill("#live-filter", "service=(");
  await page.click("text=Show");
  await page.waitForSelector(".notice.bad");
  say({ refused: await page.innerText(".notice.bad") });
  await page.fill("#live-filter", "");
  await page.click("text=Show");
  await page.waitForSelector(ROW);
  await hide(page, true);
  await waitFor("nobody taps");
  const seen = await first(page);
  await hide(page, false);
  await page.waitForFunction((href) => document.querySelector("#live-list tbody a").getAttribute("href") !== href, seen);
  await page.goto(`${origin}/ui#/overview`);
  await waitFor("nobody taps");
  await page.context().close();
}

run(lookAtAll, byKeyboard);
