// The live view: segments as they are judged, and one of them with its spans.
// SPDX-License-Identifier: Apache-2.0
import { h, show, state } from "./app.js";
import { ago, notice, short, size, spansOf, table, whyOf } from "./views.js";

const KEPT = 200; // rows
const RATE = 20; // segments a second: nobody reads more
const DRAW_MS = 250;
const VERDICTS = ["clean", "observed", "tagged", "repaired", "quarantined", "dropped"];
const MARKS = { clean: ["good", "✔"], observed: ["warn", "▲"], tagged: ["warn", "▲"], repaired: ["warn", "▲"], quarantined: ["bad", "✖"], dropped: ["bad", "✖"] };
const ENDS = { memory: "The service is short of memory: nothing can be tapped now." };

// rows: as they come; shown: as they are drawn; control: ends the request; item: the one that was opened.
const own = { rows: [], shown: [], last: 0, item: null, counts: null, control: null, filter: "", verdict: "", paused: false, error: "" };

// Who is at a row keeps it: the list waits while it has the focus.
const isHeld = () => document.activeElement !== null && document.activeElement.closest("#live-list") !== null;

let drawing = null;
function drawSoon() {
  if (drawing !== null) return;
  drawing = setTimeout(() => {
    drawing = null;
    if (!isHeld() && !own.paused) own.shown = own.rows;
    show();
  }, DRAW_MS);
}

function take(line) {
  const value = JSON.parse(line);
  if (value.segment !== undefined) own.rows = [{ ...value.segment, id: String(++own.last) }, ...own.rows].slice(0, KEPT);
  if (value.counts !== undefined) own.counts = value.counts;
  if (value.end !== undefined) own.error = ENDS[value.end] || "";
}

async function read(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    lines.forEach(take);
    drawSoon();
  }
}

function stop() {
  if (own.control !== null) own.control.abort();
  own.control = null;
}

async function start() {
  stop();
  const control = new AbortController(), query = new URLSearchParams({ rate: RATE, content: "message" });
  for (const key of ["filter", "verdict"]) if (own[key] !== "") query.set(key, own[key]);
  Object.assign(own, { control, paused: false, error: "", counts: null });
  show();
  try {
    const headers = state.token === "" ? {} : { Authorization: `Bearer ${state.token}` };
    const answer = await fetch(`/api/v1/tap?${query}`, { headers, signal: control.signal });
    if (!answer.ok) throw new Error((await answer.json()).error);
    await read(answer.body);
    own.error = own.error || "The service has ended it.";
  } catch (error) {
    if (!control.signal.aborted) own.error = error.message;
  }
  if (own.control !== control) return; // another one began meanwhile
  own.control = null;
  if (!isHeld()) own.shown = own.rows;
  own.paused = true;
  show();
}

function pause() {
  stop();
  own.paused = true;
  own.shown = own.rows;
  show();
}

// An opened segment pauses: who comes back finds the list as it was.
export function enterLive(rest) {
  if (rest.length === 0 && !own.paused) start();
  else if (rest.length > 0) {
    own.item = own.shown.find((one) => one.id === rest[0]) || null;
    stop();
    own.paused = true;
  }
}

export function leaveLive() {
  stop();
}

// A page that nobody sees takes no place among the few who may tap.
let isAway = false;
document.addEventListener("visibilitychange", () => {
  if (document.hidden && own.control !== null) {
    isAway = true;
    stop();
  } else if (!document.hidden && isAway) {
    isAway = false;
    if (location.hash.replace(/\/$/, "") === "#/live") start();
  }
});

const verdictOf = (one) => h("span", { class: MARKS[one.verdict][0] }, `${MARKS[one.verdict][1]} ${one.verdict}`);

function countsOf() {
  const now = own.counts;
  if (now === null) return own.paused ? "Paused." : "Waiting for the workers.";
  const passed = now.over_rate + now.no_room + now.too_large;
  return `${own.paused ? "Paused. " : ""}${short(now.seen)} judged since it began, ${short(now.matched)} of which matched${passed > 0 ? `; ${short(passed)} were passed over: at most ${RATE} a second are shown` : ""}.`;
}

function list() {
  const submit = (event) => { event.preventDefault(); own.rows = own.shown = []; start(); };
  const choose = (event) => { own.verdict = event.target.value; submit(event); };
  const rows = own.shown.map((one) => [h("a", { href: `#/live/${one.id}` }, one.received.slice(11, 23)), verdictOf(one), one.rule === "" ? "-" : h("code", {}, one.rule),
    [one.service || "-", h("span", { class: "small" }, one.service_instance)], [one.operation || "-", one.errors > 0 ? h("span", { class: "small bad" }, "error") : null], short(one.spans)]);
  return [h("h1", {}, "Live"), h("p", {}, "Segments as they came, while they are judged. Nothing that agents send waits for it; the list waits while it has the focus."),
    h("form", { class: "filters", onsubmit: submit },
      h("p", {}, h("label", { for: "live-filter" }, "Filter"), h("input", { id: "live-filter", placeholder: "service=checkout* and spans>5", value: own.filter, oninput: (event) => { own.filter = event.target.value; } })),
      h("p", {}, h("label", { for: "live-verdict" }, "Verdict"), h("select", { id: "live-verdict", onchange: choose },
        h("option", { value: "" }, "all"), VERDICTS.map((word) => h("option", { value: word, selected: own.verdict === word }, word)))),
      h("p", {}, h("button", { class: "main" }, "Show")),
      h("p", {}, h("button", { type: "button", onclick: own.paused ? start : pause }, own.paused ? "Go on" : "Pause"))),
    own.error === "" ? null : notice("bad", own.error),
    h("p", { class: "small" }, countsOf()),
    h("div", { id: "live-list" }, table("Live segments", [["Time (UTC)"], ["Verdict"], ["Finding"], ["Service, instance"], ["Operation"], ["Spans", 1]], rows,
      own.paused ? "Nothing has come." : "Nothing has come yet."))].filter((one) => one !== null);
}

function item() {
  const one = own.item, back = h("p", {}, h("a", { href: "#/live" }, "All live segments"));
  if (one === null) return [h("h1", {}, "Segment"), back, h("p", {}, `It is not here any more: the last ${KEPT} are kept, until the page is closed.`)];
  const facts = [["Verdict", verdictOf(one)], ["Findings", one.rules.length > 0 ? h("code", {}, one.rules.join(", ")) : "none"], ["Received", `${one.received} (${ago(one.received)})`],
    ["Service", one.service || "-"], ["Instance", one.service_instance || "-"], ["Trace", h("code", {}, one.trace_id || "-")], ["Segment", h("code", {}, one.segment_id || "-")],
    ["Size", `${size(one.bytes)}, ${one.spans} spans`]];
  return [h("h1", {}, one.operation || one.segment_id || "Segment"), back,
    h("section", { class: "card" }, h("dl", { class: "facts" }, facts.map(([key, value]) => [h("dt", {}, key), h("dd", {}, value)]))),
    one.rules.map((rule) => whyOf(rule, rule)), spansOf(one.message, "Use: spangate tap."), h("h2", {}, "The message"),
    one.message === null ? h("p", {}, "Its bytes do not decode.") : h("pre", { tabindex: "0", "aria-label": "the message as JSON" }, JSON.stringify(one.message, null, 2))].flat().filter((part) => part !== null);
}

export const live = (rest) => (rest.length > 0 ? item() : list());
