// The dashboard's pages, each a list of elements made from what app.js knows.
// SPDX-License-Identifier: Apache-2.0
import { ask, change, confirm, h, show, sparkOf, state } from "./app.js";

// Words and figures.

export function short(value) {
  const units = ["", "k", "M", "G", "T"];
  let i = 0;
  while (value >= 1000 && i < units.length - 1) { value /= 1000; i++; }
  return `${value >= 100 || (i === 0 && Number.isInteger(value)) ? Math.round(value) : value.toFixed(1)}${units[i]}`;
}

export function size(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (value >= 1024 && i < units.length - 1) { value /= 1024; i++; }
  return `${i === 0 ? Math.round(value) : value.toFixed(1)} ${units[i]}`;
}

const percent = (part) => `${(part * 100).toFixed(part > 0 && part < 0.01 ? 2 : 1)} %`;
const perSecond = (key, as = short) => (state.rates === null ? "-" : `${as(state.rates[key])}/s`);

function span(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}
export const ago = (time) => (time === null ? "never" : `${span(Math.max(0, (Date.now() - Date.parse(time)) / 1000))} ago`);
const nameOf = (one) => `${one.service} / ${one.service_instance}`;

function room(label, used, capacity) {
  const part = capacity > 0 ? used / capacity : 0;
  return h("div", {}, h("meter", { value: part.toFixed(3), high: "0.8", optimum: "0", "aria-label": `${label} in use` }),
    h("p", { class: "small" }, `${label} ${percent(part)} of ${size(capacity)}`));
}

export function table(label, heads, rows, empty) {
  const cell = (tag, text, i) => h(tag, { scope: tag === "th" ? "col" : null, class: heads[i][1] ? "n" : null }, text);
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((head, i) => cell("th", head[0], i)))),
    h("tbody", {}, rows.length === 0 ? h("tr", {}, h("td", { colspan: heads.length }, empty))
      : rows.map((row) => h("tr", {}, row.map((text, i) => cell("td", text, i)))))));
}

export const notice = (kind, title, ...more) => h("section", { class: `card notice ${kind}` },
  h("p", {}, h("strong", { class: kind }, title)), more.map((text) => h("p", {}, text)));

// Overview.

const NOT_READY = { draining: "it is draining", spool: "the spool's disk is broken", buffer: "the spool is full" };

// One notice for all instances of a service with the same first diagnosis.
function sickNotices() {
  const groups = new Map();
  for (const one of state.instances.filter((each) => each.diagnoses.length > 0)) {
    const key = `${one.service}\n${one.diagnoses[0].code}`;
    groups.set(key, [...(groups.get(key) || []), one]);
  }
  const shown = [...groups.values()].slice(0, 5).map((list) => {
    const one = list[0], first = one.diagnoses[0];
    const who = list.length > 1 ? `${one.service}, ${list.length} instances` : nameOf(one);
    return notice(first.confidence === "low" ? "warn" : "bad", `${who}: ${first.code} ${first.name}`, first.text,
      `${list.length > 1 ? `${one.service_instance}: ` : ""}${first.evidence}`, h("span", {}, h("strong", {}, "Next: "), first.next));
  });
  if (groups.size > shown.length)
    shown.push(notice("warn", `${groups.size - shown.length} more services are sick`, h("a", { href: "#/instances" }, "All instances")));
  return shown;
}

function serviceNotices(now) {
  const out = [];
  const used = now.backends.filter((one) => one.enabled), up = used.filter((one) => one.up).length, n_off = now.backends.length - used.length;
  for (const reason of now.not_ready) out.push(notice("bad", `Not ready: ${NOT_READY[reason] || reason}`));
  if (now.paused) out.push(notice("warn", "Forwarding is paused", "What arrives waits in the buffer. spangate ctl resume goes on."));
  if (now.ledger.imbalance !== 0)
    out.push(notice("bad", `The ledger does not balance: ${now.ledger.imbalance} items`, "This is a fault of spangate: please report it."));
  if (n_off > 0 && used.length === 0)
    out.push(notice("bad", "Every backend is disabled", "What arrives waits in the buffer. spangate ctl backend enable takes one back."));
  else if (n_off > 0)
    out.push(notice("warn", `${n_off} of ${now.backends.length} backends ${n_off === 1 ? "is" : "are"} disabled`, "No new calls go there. spangate ctl backend enable takes one back."));
  if (used.length > 0 && up === 0)
    out.push(notice("bad", "No backend is connected", "What arrives waits in the buffer; agents notice nothing until it is full."));
  else if (up < used.length)
    out.push(notice("warn", `${used.length - up} of ${used.length} backends are not connected`, "The others carry its share."));
  const fill = Math.max(now.buffer.memory_bytes / (now.buffer.memory_capacity_bytes || 1),
    now.buffer.disk_bytes / (now.buffer.disk_capacity_bytes || 1));
  if (fill > 0.8) out.push(notice("warn", `The buffer is ${percent(fill)} full`, "The backend takes less than arrives."));
  if (state.rates !== null && state.rates.dropped > 0) {
    const reasons = Object.entries(now.dropped).filter(([, n]) => n > 0).map(([reason, n]) => `${reason} ${short(n)}`);
    out.push(notice("warn", `Items are dropped: ${short(state.rates.dropped)}/s`, `So far: ${reasons.join(", ")}.`));
  }
  return out;
}

function flow(now) {
  const used = now.backends.filter((one) => one.enabled), up = used.filter((one) => one.up).length;
  const segments = Object.values(now.segments).reduce((a, b) => a + b, 0);
  const bad = now.segments.quarantined + now.segments.repaired + now.segments.tagged;
  const box = (title, big, kind, ...more) => h("li", { class: "card" }, h("h2", {}, title), h("p", { class: `big ${kind}` }, big),
    more.map((text) => (typeof text === "string" ? h("p", { class: "small" }, text) : text)));
  return h("ol", { class: "flow" },
    box("Agents", perSecond("in"), "", `${perSecond("bytes", size)} on ${short(now.connections)} connections`, `${short(now.instances)} instances seen`),
    box("Integrity", segments > 0 ? `${percent(bad / segments)} bad` : "-", bad > 0 ? "warn" : "", `${perSecond("segments")} segments judged`, `mode ${now.mode}`),
    box("Buffer", short(now.ledger.queued + now.ledger.inflight), "", "items held",
      room("memory", now.buffer.memory_bytes, now.buffer.memory_capacity_bytes),
      now.buffer.disk_capacity_bytes > 0 ? room("disk", now.buffer.disk_bytes, now.buffer.disk_capacity_bytes) : `mode ${now.buffer.mode}`),
    box("Backends", used.length === 0 ? "none in use" : `${up} of ${used.length} up`, up < used.length || up === 0 ? "bad" : "good",
      now.backends.length > used.length ? `${now.backends.length - used.length} disabled` : null,
      now.paused ? h("p", { class: "small warn" }, "paused") : `${perSecond("out")} forwarded`, `${perSecond("bytesOut", size)}`));
}

function aside(now) {
  const balanced = now.ledger.imbalance === 0;
  return h("div", { class: "aside" },
    h("section", { class: "card" }, h("h2", {}, "Ledger"), h("p", { class: `big ${balanced ? "good" : "bad"}` }, balanced ? "0, balanced" : now.ledger.imbalance),
      h("p", { class: "small" }, `in ${short(now.ledger.accepted + now.ledger.restored)} = out ${short(now.ledger.forwarded)} + held ${short(now.ledger.queued + now.ledger.inflight)} + set aside ${short(now.ledger.quarantined)} + dropped ${short(now.ledger.dropped)}`)),
    h("section", { class: "card" }, h("h2", {}, "Quarantine"), h("p", { class: "big" }, h("a", { href: "#/quarantine" }, `${short(now.quarantine.items)} items`)),
      now.quarantine.capacity_bytes > 0 ? room("quarantine", now.quarantine.bytes, now.quarantine.capacity_bytes) : null),
    h("section", { class: "card" }, h("h2", {}, "Dropped"), h("p", { class: "big" }, short(now.ledger.dropped)),
      h("p", { class: "small" }, Object.entries(now.dropped).filter(([, n]) => n > 0).map(([reason, n]) => `${reason} ${short(n)}`).join(", ") || "nothing since the start")));
}

function line(points, most, kind) {
  const at = points.map((value, i) => `${((i / Math.max(1, points.length - 1)) * 300).toFixed(1)},${(100 - (value / most) * 96).toFixed(1)}`);
  return h("polyline", { points: at.join(" "), class: kind });
}

function chart() {
  const last = state.history;
  const most = Math.max(1, ...last.map((one) => Math.max(one.in, one.out, one.off)));
  const names = [["in", "arrived"], ["out", "forwarded"], ["off", "set aside or dropped"]];
  return h("section", { class: "card" },
    h("svg", { class: "chart", viewBox: "0 0 300 104", preserveAspectRatio: "none", role: "img",
      "aria-label": `items a second over the last ${last.length} s; at most ${short(most)}` },
    h("line", { x1: 0, y1: 100, x2: 300, y2: 100 }), names.map(([key]) => line(last.map((one) => one[key]), most, key))),
    h("ul", { class: "legend" }, names.map(([key, title]) => h("li", { class: key }, `${title} ${perSecond(key)}`)), h("li", {}, `top ${short(most)}/s`)));
}

export function overview() {
  const now = state.overview;
  if (now === null) return [h("p", {}, "Waiting for the first figures.")];
  const notices = [...serviceNotices(now), ...sickNotices()];
  return [h("h1", {}, "Overview"),
    ...(notices.length > 0 ? notices : [notice("good", "All is well", `No sick instance, nothing lost, every backend is up. Running for ${span(now.uptime_s)}.`)]),
    h("h2", {}, "From agents to backends"), flow(now), aside(now),
    h("h2", {}, "Items a second"), chart(),
    h("h2", {}, "Worst instances"), scoreboard(state.instances.slice(0, 5), false)];
}

// Instances.

function topFinding(one) {
  const all = Object.entries(one.findings).sort((a, b) => b[1] - a[1]);
  return all.length === 0 ? "-" : [h("code", {}, all[0][0]), h("span", { class: "small" }, `${short(all[0][1])} times${all.length > 1 ? `, ${all.length - 1} other rules` : ""}`)];
}

function health(one, isLong) {
  if (one.diagnoses.length > 0)
    return one.diagnoses.map((d) => h("span", { class: isLong ? "wide" : null },
      h("span", { class: d.confidence === "low" ? "warn" : "bad" }, `✖ ${d.code} ${d.name}`),
      h("span", { class: "small" }, isLong ? `for ${ago(d.since).replace(" ago", "")}: ${d.evidence}. ${d.next}` : `for ${ago(d.since).replace(" ago", "")}`)));
  return one.bad > 0 ? h("span", { class: "warn" }, "▲ findings, no diagnosis") : h("span", { class: "good" }, "✔ healthy");
}

function scoreboard(list, isLong) {
  const heads = [["Instance"], ["Diagnosis"], ["Bad", 1], ["Bad, 60 s"], ["Top finding"], ["Segments/s", 1], ["Last seen"]];
  return table("Instances", heads, list.map((one) => {
    const spark = sparkOf(one);
    return [[h("strong", {}, one.service || "(none)"), h("span", { class: "small" }, `${one.service_instance || "(none)"}, ${one.language || "language not known"}`)],
      health(one, isLong), percent(one.bad_ratio),
      h("svg", { class: "spark", viewBox: "0 0 300 104", preserveAspectRatio: "none", role: "img", "aria-label": `share of bad segments, now ${percent(spark.line.at(-1) || 0)}` },
        line(spark.line, Math.max(0.01, ...spark.line), "bad")),
      topFinding(one), short(spark.rate), ago(one.last_seen)];
  }), "No agent has reported a segment yet.");
}

export function instances() {
  return [h("h1", {}, "Instances"),
    h("p", { class: "small" }, state.total > state.instances.length ? `The worst ${state.instances.length} of ${state.total}.` : `${state.total} in all, the worst first.`),
    scoreboard(state.instances, true)];
}

// Quarantine.

async function loadItems(isMore) {
  const own = state.quarantine;
  const query = new URLSearchParams({ limit: "50" });
  for (const [key, value] of Object.entries(own.filter)) if (value !== "") query.set(key, value);
  if (isMore) query.set("before", own.next);
  own.busy = true;
  show();
  try {
    const answer = await ask(`/api/v1/quarantine?${query}`);
    own.items = isMore ? [...own.items, ...answer.items] : answer.items;
    own.next = answer.next;
    own.error = "";
  } catch (error) {
    own.error = error.message;
    if (!isMore) own.items = [];
  }
  own.busy = false;
  show();
}

async function loadItem(id) {
  state.item = { id, value: null, error: "", result: "" };
  try {
    const value = await ask(`/api/v1/quarantine/${encodeURIComponent(id)}`);
    if (state.item.id === id) state.item.value = value;
  } catch (error) {
    if (state.item.id === id) state.item.error = error.message;
  }
  show();
}

export function enterQuarantine(rest) {
  if (rest.length > 0) loadItem(rest[0]);
  else loadItems(false);
}

function field(name, label, hint) {
  return h("p", {}, h("label", { for: `f-${name}` }, label), h("input", { id: `f-${name}`, placeholder: hint, value: state.quarantine.filter[name],
    oninput: (event) => { state.quarantine.filter[name] = event.target.value; } }));
}

function list() {
  const own = state.quarantine;
  const submit = (event) => { event.preventDefault(); loadItems(false); };
  const rows = (own.items || []).map((one) => [h("a", { href: `#/quarantine/${one.id}` }, one.id), ago(one.received), h("code", {}, one.rule),
    one.service || "-", one.service_instance || "-", one.signal, short(one.spans), size(one.bytes)]);
  return [h("h1", {}, "Quarantine"), h("p", {}, "Messages that OAP could not take, or that would falsify its figures. They wait here, untouched, until they are replayed, removed or expire."),
    h("form", { class: "filters", onsubmit: submit }, field("rule", "Rule", "span-parent-missing"), field("service", "Service", "checkout"),
      field("filter", "Filter", "spans>50 and not error=true"), h("p", {}, h("button", { class: "main", disabled: own.busy }, "Search"))),
    own.error === "" ? null : notice("bad", own.error),
    table("Items in quarantine", [["Item"], ["Received"], ["Rule"], ["Service"], ["Instance"], ["Signal"], ["Spans", 1], ["Bytes", 1]], rows,
      own.items === null ? "Loading." : "Nothing is set aside."),
    own.next === null ? null : h("p", {}, h("button", { disabled: own.busy, onclick: () => loadItems(true) }, "Older items"))].filter((one) => one !== null);
}

// The spans as a tree: each below its parent; what hangs nowhere stands below a row for the parent that is missing.
function treeOf(spans) {
  const byId = new Map(), below = new Map(), rows = [];
  const idOf = (one) => one.spanId || 0, parentOf = (one) => (one.parentSpanId === undefined ? 0 : one.parentSpanId);
  const seen = new Set();
  for (const one of spans) {
    if (!byId.has(idOf(one))) byId.set(idOf(one), one);
    const key = parentOf(one);
    below.set(key, [...(below.get(key) || []), one]);
  }
  const add = (one, depth, fault) => {
    if (seen.has(one)) return;
    seen.add(one);
    const faults = fault === undefined ? [] : [fault];
    if (byId.get(idOf(one)) !== one) faults.push(`id ${idOf(one)} stands twice`);
    if (Number(one.endTime || 0) < Number(one.startTime || 0)) faults.push("ends before it starts");
    if (parentOf(one) === idOf(one)) faults.push("is its own parent");
    rows.push({ one, depth, faults });
    if (byId.get(idOf(one)) === one) for (const child of below.get(idOf(one)) || []) if (child !== one) add(child, depth + 1);
  };
  for (const one of below.get(-1) || []) add(one, 0);
  for (const one of spans) {
    if (seen.has(one) || byId.has(parentOf(one))) continue;
    if (!rows.some((row) => row.ghost === parentOf(one))) rows.push({ ghost: parentOf(one), depth: 0, faults: [] });
    for (const orphan of below.get(parentOf(one))) add(orphan, 1, "its parent is missing");
  }
  for (const one of spans) if (!seen.has(one)) { add(one, 0); rows.at(-1).faults.push("its parents form a ring"); }
  return rows;
}

function spanRow(row) {
  const pad = "\u00a0\u00a0\u00a0".repeat(Math.min(row.depth, 20)) + (row.depth > 0 ? "└ " : "");
  if (row.one === undefined)
    return h("tr", { class: "ghost", "aria-level": 1, tabindex: "-1" }, h("td", {}, `▲ ${row.ghost}`), h("td", { colspan: 5 }, `span ${row.ghost} is not in this segment; what hangs on it follows`));
  const one = row.one, took = Number(one.endTime || 0) - Number(one.startTime || 0);
  return h("tr", { class: row.faults.length > 0 ? "hurt" : null, "aria-level": row.depth + 1, tabindex: "-1" },
    h("td", {}, `${row.faults.length > 0 ? "✖ " : ""}${pad}${one.spanId || 0}`), h("td", {}, one.spanType || "Entry"),
    h("td", {}, one.operationName || "(none)", h("span", { class: "small" }, one.peer || "")), h("td", { class: "n" }, `${took} ms`),
    h("td", {}, one.isError ? h("span", { class: "bad" }, "error") : ""), h("td", {}, row.faults.join(", ")));
}

// Up and down go from row to row (WAI-ARIA, treegrid).
function onTreeKey(event) {
  const row = event.target.closest("tbody tr"), to = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  const next = row === null ? event.currentTarget.querySelector("tbody tr") : row[to];
  if (to === undefined || !next) return;
  event.preventDefault();
  next.focus();
}

const TREE_SPANS = 5000; // a chain of them is as many calls deep

function tree(spans) {
  const heads = ["Span", "Type", "Operation", "Took", "Error", "What is wrong"];
  return h("div", { class: "scroll" }, h("table", { class: "tree", role: "treegrid", "aria-label": "Spans, each below its parent", tabindex: "0", onkeydown: onTreeKey },
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col", class: head === "Took" ? "n" : null }, head)))),
    h("tbody", {}, treeOf(spans).slice(0, 2000).map(spanRow))));
}

// The spans of a segment's JSON under their heading; nothing where there are none.
export function spansOf(message, otherwise) {
  const spans = message && message.spans;
  if (!spans) return [];
  return [h("h2", {}, "Spans"), spans.length > TREE_SPANS ? h("p", {}, `${spans.length} are too many to draw. ${otherwise}`) : tree(spans)];
}

async function act(id, words, run) {
  if (!(await confirm(words.title, words.text, words.yes))) return;
  try {
    state.item.result = words.done(await run());
    state.item.error = "";
  } catch (error) {
    state.item.error = error.message;
  }
  show();
}

function actions(one) {
  const path = `/api/v1/quarantine/${encodeURIComponent(one.id)}`;
  const told = (answer) => `${answer.result}${answer.why ? `: ${answer.why}` : ""}`;
  const replay = (mode, title, text) => h("button", { class: mode === "repair" ? "main" : null,
    onclick: () => act(one.id, { title, text, yes: title, done: told }, () => change(`${path}/replay`, "POST", { mode })) }, title);
  const save = () => {
    const bytes = Uint8Array.from(atob(one.payload), (c) => c.charCodeAt(0));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: "application/x-protobuf" }));
    link.download = `${one.id}.pb`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  return h("p", { class: "actions" },
    replay("repair", "Repair and replay", "It is repaired where no data is lost by it, judged again and forwarded. It leaves the quarantine."),
    replay("as-is", "Replay as it is", "It is forwarded unchanged; what would end OAP's stream is refused."),
    h("button", { onclick: save }, "Save the bytes"),
    h("button", { onclick: () => act(one.id, { title: "Remove", text: `${one.id} is deleted for good.`, yes: "Remove", done: () => "removed" }, () => change(path, "DELETE")) }, "Remove"));
}

export function whyOf(name, title) {
  const rule = state.rules[name];
  if (rule === undefined) return null;
  return h("section", { class: "card" }, h("h2", {}, title), h("p", {}, h("strong", {}, rule.sentence)),
    rule.healthy ? h("p", {}, rule.healthy) : null, rule.oap ? h("p", {}, h("strong", {}, "Without the gate, OAP: "), rule.oap) : null,
    rule.advice ? h("p", {}, h("strong", {}, "Next: "), rule.advice) : null);
}

function item() {
  const own = state.item, one = own.value;
  const back = h("p", {}, h("a", { href: "#/quarantine" }, "All items"));
  if (one === null) return [h("h1", {}, own.id), back, own.error === "" ? h("p", {}, "Loading.") : notice("bad", own.error)];
  const facts = [["Rule", h("code", {}, one.rule)], ["Received", `${one.received} (${ago(one.received)})`], ["Service", one.service || "-"], ["Instance", one.service_instance || "-"],
    ["Trace", h("code", {}, one.trace_id || "-")], ["Segment", h("code", {}, one.segment_id || "-")], ["Method", h("code", {}, one.method)], ["Size", `${size(one.bytes)}, ${one.spans} spans`]];
  return [h("h1", {}, one.id), back, own.error === "" ? null : notice("bad", own.error), own.result === "" ? null : notice(/^(refused|busy|gone)/.test(own.result) ? "warn" : "good", own.result),
    h("section", { class: "card" }, h("dl", { class: "facts" }, facts.map(([key, value]) => [h("dt", {}, key), h("dd", {}, value)]))),
    whyOf(one.rule, "Why it is here"), h("h2", {}, "What to do with it"), actions(one), spansOf(one.message, "Save the bytes and use: spangate lint."), h("h2", {}, "The message"),
    one.message === null ? h("p", {}, "Its bytes do not decode, or are too many to show here. Save them and use: spangate lint.")
      : h("pre", { tabindex: "0", "aria-label": "the message as JSON" }, JSON.stringify(one.message, null, 2))].flat().filter((part) => part !== null);
}

export const quarantine = (rest) => (rest.length > 0 ? item() : list());

// Backends.

export function backends() {
  const now = state.overview;
  if (now === null) return [h("p", {}, "Waiting for the first figures.")];
  const heads = [["Backend"], ["State"], ["Calls in flight", 1], ["Answered OK", 1], ["Failed", 1], ["Last OK"]];
  return [h("h1", {}, "Backends"), table("Backends", heads, now.backends.map((one) => [h("code", {}, one.name),
    [h("span", { class: one.up ? "good" : "bad" }, one.up ? "✔ connected" : "✖ not connected"),
      one.enabled ? null : h("span", { class: "small warn" }, "disabled: no new calls")], short(one.inflight_batches),
    short(one.answers_ok), short(one.answers_failed), ago(one.last_success)]), "No backend is known yet.")];
}

// Configuration.

export async function enterConfig() {
  try {
    state.config.value = await ask("/api/v1/config");
    state.config.error = "";
  } catch (error) {
    state.config.error = error.message;
  }
  show();
}

export function config() {
  const own = state.config;
  if (own.value === null) return [h("h1", {}, "Configuration"), own.error === "" ? h("p", {}, "Loading.") : notice("bad", own.error)];
  const waits = new Set(own.value.restart);
  const rows = Object.entries(own.value.settings).filter(([key, one]) => `${key} ${JSON.stringify(one.value)} ${one.where}`.includes(own.find))
    .map(([key, one]) => [h("code", {}, key), [h("code", {}, typeof one.value === "string" ? one.value || "\"\"" : JSON.stringify(one.value)),
      waits.has(key) ? h("span", { class: "small warn" }, "in use after a restart") : null], one.where]);
  return [h("h1", {}, "Configuration"),
    h("p", {}, h("label", { for: "find" }, "Find"), h("input", { id: "find", value: own.find, oninput: (event) => { own.find = event.target.value; show(); } })),
    table("Settings", [["Setting"], ["Value"], ["From"]], rows, "No setting has that in it.")];
}
