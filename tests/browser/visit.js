// Visits the page in real Chromium as a user would, and prints as JSON what the browser saw of it.
// SPDX-License-Identifier: Apache-2.0
// usage: node visit.js CHROMIUM URL DIRECTORY
// Each line on standard input is a step: "click ID WORDS" clicks and waits until the page says the words,
// "leave" goes to an empty page, which is when the agent sends what it still holds. Each step is
// answered by a line "done". The profile and a screenshot of the page go into DIRECTORY.
"use strict";
const path = require("path");
const readline = require("readline");
const {chromium} = require("playwright-core");

const [executablePath, url, directory] = process.argv.slice(2);
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const steps = {
  async click(page, id, ...words) {
    await page.click("#" + id);
    await page.waitForFunction((text) => document.getElementById("said").textContent.includes(text),
      words.join(" "));
  },
  async leave(page) {
    await page.screenshot({path: path.join(directory, "page.png")});
    await page.goto("about:blank");
  },
};

async function main() {
  const context = await chromium.launchPersistentContext(path.join(directory, "profile"),
    {executablePath, headless: true, args: QUIET});
  const seen = {console: [], failed: [], requests: []};
  const page = context.pages()[0];
  page.on("console", (message) => seen.console.push([message.type(), message.text()]));
  page.on("requestfailed", (one) => seen.failed.push([one.method(), one.url(), one.failure().errorText]));
  page.on("response", (one) => seen.requests.push([one.request().method(), one.url(), one.status()]));
  await page.goto(url, {waitUntil: "load"});
  await page.waitForSelector("#banner");
  console.log("done");
  for await (const line of readline.createInterface({input: process.stdin})) {
    const [verb, ...words] = line.split(" ");
    await steps[verb](page, ...words);
    console.log("done");
  }
  await context.close();
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
