// The dashboard: what it knows, where it learns it, and which page is shown.
// SPDX-License-Identifier: Apache-2.0
// Everything comes from the operator's API of the same origin. Text from agents becomes text nodes only.
import { enterLive, leaveLive, live } from "./live.js";
import * as views from "./views.js";

const HISTORY = 300; // seconds of the chart
const SPARKS = 60; // seconds of an instance's line
const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "polyline", "line"]);

// An element to be: its name, attributes, children.
export function h(tag, attrs, ...children) {
  return { tag, attrs: attrs || {}, children: children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false) };
}

function setAttributes(element, attrs) {
  for (const name of element.getAttributeNames())
    if (!(name in attrs) && name !== "value") element.removeAttribute(name);
  for (const [name, value] of Object.entries(attrs)) {
    if (name === "key") continue;
    if (name.startsWith("on")) element[name] = value;
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
  }
}

function create(node) {
  if (typeof node !== "object") return document.createTextNode(node);
  const element = SVG_TAGS.has(node.tag) ? document.createElementNS(SVG, node.tag) : document.createElement(node.tag);
  element.patchKey = node.attrs.key;
  setAttributes(element, node.attrs);
  patch(element, node.children);
  return element;
}

// Makes the children of an element what they should be and leaves alone what is the same, so that
// focus, selection and scroll positions survive an update.
export function patch(parent, nodes) {
  nodes.forEach((node, i) => {
    const old = parent.childNodes[i];
    if (old === undefined) parent.append(create(node));
    else if (typeof node !== "object") {
      if (old.nodeType !== Node.TEXT_NODE) old.replaceWith(create(node));
      else if (old.data !== String(node)) old.data = node;
    } else if (old.nodeType === Node.ELEMENT_NODE && old.localName === node.tag && old.patchKey === node.attrs.key) {
      setAttributes(old, node.attrs);
      patch(old, node.children);
    } else old.replaceWith(create(node));
  });
  while (parent.childNodes.length > nodes.length) parent.lastChild.remove();
}

export const state = {
  overview: null, rates: null, history: [], instances: [], total: 0, sparks: new Map(), rules: {},
  quarantine: { items: null, next: null, filter: { rule: "", service: "", filter: "" }, error: "", busy: false },
  item: { id: "", value: null, error: "", result: "" },
  config: { value: null, error: "", find: "" },
  token: "", lost: false,
};

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

function totalsOf(overview) {
  const bad = overview.segments.quarantined + overview.segments.repaired + overview.segments.tagged;
  return {
    in: sum(overview.accepted), out: overview.ledger.forwarded, off: overview.ledger.quarantined + overview.ledger.dropped,
    dropped: overview.ledger.dropped, quarantined: overview.ledger.quarantined, bytes: overview.received_bytes,
    bytesOut: overview.forwarded_bytes, segments: sum(overview.segments), bad,
  };
}

let before = null;
function onOverview(overview) {
  const now = { at: performance.now(), of: totalsOf(overview), started: overview.started };
  state.overview = overview;
  if (before !== null && before.started === now.started && now.at - before.at > 200) {
    const seconds = (now.at - before.at) / 1000;
    state.rates = {};
    for (const key of Object.keys(now.of)) state.rates[key] = Math.max(0, now.of[key] - before.of[key]) / seconds;
    state.history = [...state.history, state.rates].slice(-HISTORY);
  } else if (before !== null && before.started !== now.started) state.history = [];
  before = now;
  show();
}

const keyOf = (one) => `${one.service}\n${one.service_instance}`;
function onInstances(answer) {
  const kept = new Map();
  for (const one of answer.instances) {
    const old = state.sparks.get(keyOf(one));
    const moved = old !== undefined && one.segments >= old.segments;
    const part = moved && one.segments > old.segments ? (one.bad - old.bad) / (one.segments - old.segments) : 0;
    const rate = moved ? one.segments - old.segments : 0;
    kept.set(keyOf(one), { segments: one.segments, bad: one.bad, rate, line: [...(old ? old.line : []), part].slice(-SPARKS) });
  }
  state.sparks = kept;
  state.total = answer.total;
  const rank = (one) => (one.diagnoses.length > 0 ? 10 : 0) + one.bad_ratio;
  state.instances = answer.instances.sort((a, b) => rank(b) - rank(a) || b.segments - a.segments);
  show();
}
export const sparkOf = (one) => state.sparks.get(keyOf(one)) || { rate: 0, line: [] };

// Asks the API; throws an Error with its words.
export async function ask(path, method = "GET", body = undefined) {
  const headers = state.token === "" ? {} : { Authorization: `Bearer ${state.token}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const value = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (!answer.ok) throw Object.assign(new Error(value.error || `status ${answer.status}`), { status: answer.status });
  return value;
}

// A question in a dialog; false when it was closed. words: a text field of that label is asked for.
export function confirm(title, text, yes, words = "") {
  const dialog = document.getElementById("ask");
  return new Promise((resolve) => {
    const done = () => resolve(dialog.returnValue === "yes" ? (words === "" ? true : dialog.querySelector("input").value) : false);
    dialog.returnValue = "";
    dialog.replaceChildren();
    patch(dialog, [h("form", { method: "dialog", key: title }, h("h2", { id: "ask-title" }, title), h("p", {}, text),
      words === "" ? null : h("p", {}, h("label", { for: "ask-text" }, words), h("input", { id: "ask-text", type: "password", autocomplete: "off" })),
      h("p", { class: "actions" }, h("button", { class: "main", value: "yes" }, yes), h("button", { value: "no" }, "Cancel")))]);
    dialog.addEventListener("close", done, { once: true });
    dialog.showModal();
  });
}

// A change; asks for the token first where one is needed and not known yet.
export async function change(path, method, body) {
  const needs = state.token === "" && (await ask("/api/v1/config")).settings["admin.token_file"].value !== "";
  if (needs) {
    const token = await confirm("A token is needed", "It stands in the file that admin.token_file names.", "Go on", "Token");
    if (token === false) throw new Error("nothing was changed");
    state.token = token;
  }
  try {
    return await ask(path, method, body);
  } catch (error) {
    if (error.status === 403) state.token = ""; // it was wrong: the next change asks again
    throw error;
  }
}

const pages = [
  ["overview", "Overview", views.overview], ["instances", "Instances", views.instances], ["live", "Live", live],
  ["quarantine", "Quarantine", views.quarantine], ["backends", "Backends", views.backends], ["config", "Configuration", views.config],
];

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a hash typed by hand
  }
}

function place() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  const page = pages.find((one) => one[0] === name) || pages[0];
  return { page, rest: rest.map(decoded) };
}

function stateOf(now) {
  const words = [now.mode, now.ready ? "ready" : now.not_ready.includes("draining") ? "draining" : "not ready"];
  return (now.paused ? [...words, "paused"] : words).join(", ");
}

export function show() {
  const { page, rest } = place();
  patch(document.getElementById("nav"), pages.map(([name, title]) =>
    h("a", { href: `#/${name}`, "aria-current": name === page[0] ? "page" : null }, title)));
  const link = document.getElementById("link");
  const words = state.lost ? "connection lost, trying again" : state.overview === null ? "connecting" : stateOf(state.overview);
  if (link.textContent !== words) link.textContent = words;
  link.className = state.lost ? "lost" : "";
  document.getElementById("version").textContent = state.overview === null ? "" : state.overview.version;
  document.title = `${page[1]} - spangate`;
  const main = document.getElementById("main");
  if (main.dataset.page !== page[0]) main.replaceChildren();
  main.dataset.page = page[0];
  patch(main, page[2](rest));
}

function onPlace() {
  const { page, rest } = place();
  if (page[0] === "quarantine") views.enterQuarantine(rest);
  if (page[0] === "config") views.enterConfig();
  if (page[0] === "live") enterLive(rest);
  else leaveLive();
  show();
  if (document.activeElement === null || !document.getElementById("nav").contains(document.activeElement))
    document.getElementById("main").focus({ preventScroll: true });
}

function listen() {
  const source = new EventSource("/api/v1/stream?topics=overview,instances");
  source.addEventListener("overview", (event) => onOverview(JSON.parse(event.data)));
  source.addEventListener("instances", (event) => onInstances(JSON.parse(event.data)));
  source.onopen = () => { state.lost = false; show(); };
  source.onerror = () => {
    state.lost = true;
    show();
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

addEventListener("hashchange", onPlace);
ask("/api/v1/rules").then((answer) => { state.rules = answer.rules; show(); }).catch(() => {});
listen();
onPlace();
